"""Calls, log-probabilities, completions and embeddings that are wrong, and the checks that notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.commands.check.conforming import Said
from tests.gateway.commands.check.wrong import Edit, at, chats, names, noticed, put, streams, wrong
from tests.gateway.commands.servers import Request


def calls(edit: Callable[[dict[str, Any]], Any]) -> Edit:
    """Of chats that are not streamed."""
    return chats(lambda said: [edit(call) for call in said.choice["message"].get("tool_calls", [])])


def pieces(edit: Callable[[dict[str, Any]], Any]) -> Edit:
    """Of calls in streams."""
    return streams(lambda said: [edit(call) for delta in said.deltas for call in delta.get("tool_calls", [])])


def arguments(value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda call: call["function"].update(arguments=value)


def entries(edit: Callable[[dict[str, Any]], Any]) -> Edit:
    """Of log-probabilities."""

    def change(_: Request, said: Said) -> None:
        for choice in said.choices:
            for entry in (choice.get("logprobs") or {}).get("content", []):
                edit(entry)

    return change


def two_calls(said: Said) -> None:
    found = said.choice["message"].get("tool_calls")
    if found:
        found.append({**found[0], "id": f"{found[0]['id']}x"})


def text_beside_calls(said: Said) -> None:
    if said.choice["message"].get("tool_calls"):
        said.choice["message"]["content"] = ""


def none_by_default(request: Request, said: Said) -> None:
    if said.chat and request.json.get("tools") and "tool_choice" not in request.json:
        said.choice.update(finish_reason="stop")
        said.choice["message"].update(content="No idea.", tool_calls=[])


def named_tool_calls(request: Request, said: Said) -> None:
    if isinstance(request.json.get("tool_choice") if request.method == "POST" and said.choices else None, dict):
        said.choices[-1]["finish_reason"] = "tool_calls"


def no_results(request: Request, said: Said) -> None:
    if said.chat and request.json["messages"][-1]["role"] == "tool":
        said.refuse(500)


def completions(edit: Callable[[Said], Any]) -> Edit:
    return at("/completions", edit)


def completion_chunks(edit: Callable[[dict[str, Any]], Any]) -> Edit:
    return lambda request, said: [edit(each) for each in said.chunks] if "/v1/comp" in request.target else None


def uneven(said: Said) -> None:
    if said.body["choices"][0]["logprobs"]:
        said.body["choices"][0]["logprobs"]["tokens"].append("x")


def embeddings(edit: Callable[[dict[str, Any]], Any]) -> Edit:
    return at("/embeddings", lambda said: [edit(each) for each in said.body["data"]])


NO_TOKENS = {"prompt_tokens": 0, "total_tokens": 0}
WRONG = [
    wrong("object-as-arguments", calls(arguments({"city": "Tokyo"})), "tools.arguments"),
    wrong("cut-arguments", calls(arguments('{"city": "Tok')), "tools.arguments"),
    wrong("id", calls(put(id="1")), "tools.shape"),
    wrong("no-type", calls(lambda call: call.pop("type")), "tools.shape"),
    wrong("text-beside-calls", chats(text_beside_calls), "tools.content-null"),
    wrong(
        "no-calls",
        chats(lambda said: said.choice["message"].pop("tool_calls", None)),
        *names("tools") - {"tools.default", "tools.result"},
    ),
    wrong("none-by-default", none_by_default, "tools.default"),
    wrong("no-results", no_results, "tools.result"),
    wrong("two-calls", chats(two_calls), "tools.one-at-a-time"),
    wrong("named-tool-calls", named_tool_calls, "tools.named", "tool-streams.named"),
    wrong("index-from-1", pieces(put(index=1)), "tool-streams.index"),
    wrong("name-in-each", pieces(lambda call: call["function"].update(name="get_time")), "tool-streams.once"),
    wrong("no-id", pieces(lambda call: call.pop("id", None)), "tool-streams.first", "tool-streams.once"),
    wrong("arguments-lost", pieces(arguments("")), "tool-streams.arguments"),
    wrong(
        "no-streamed-calls",
        streams(lambda said: [delta.pop("tool_calls", None) for delta in said.deltas]),
        *names("tool-streams"),
    ),
    wrong("no-logprobs", chats(lambda said: said.choice.update(logprobs=None)), "logprobs.entries", "logprobs.bytes"),
    wrong("no-bytes", entries(lambda entry: entry.pop("bytes")), *names("logprobs") - {"logprobs.completions"}),
    wrong("other-bytes", entries(put(bytes=[0])), "logprobs.bytes"),
    wrong("above-0", entries(put(logprob=0.5)), *names("logprobs") - {"logprobs.completions"}),
    wrong(
        "no-streamed-logprobs",
        streams(lambda said: [choice.update(logprobs=None) for choice in said.choices]),
        "logprobs.stream",
    ),
    wrong("uneven-lists", completions(uneven), "logprobs.completions"),
    wrong("completion", completions(lambda said: said.body.update(object="completion")), "completions.object"),
    wrong(
        "completion-without-logprobs",
        completions(lambda said: [choice.pop("logprobs") for choice in said.body["choices"]]),
        *("completions.choice", "logprobs.completions"),
    ),
    wrong("completion-without-usage", completions(lambda said: said.body.pop("usage")), "completions.usage"),
    wrong(
        "one-prompt-of-two",
        completions(lambda said: said.body["choices"].__delitem__(slice(1, None))),
        "completions.several",
    ),
    wrong("completion-chunks", completion_chunks(put(object="chat.completion.chunk")), "completions.stream"),
    wrong(
        "completion-unfinished",
        completion_chunks(lambda chunk: chunk["choices"][0].update(finish_reason=None)),
        "completions.finish",
    ),
    wrong("embedding-index", embeddings(put(index=0)), "embeddings.object"),
    wrong("embedding-as-text", embeddings(put(embedding="x")), "embeddings.floats", "embeddings.base64"),
    wrong("no-base64", embeddings(put(embedding=[0.5])), "embeddings.base64"),
    wrong("embedding-usage", at("/embeddings", lambda said: said.body.update(usage=NO_TOKENS)), "embeddings.usage"),
]


@pytest.mark.parametrize(("edit", "checks"), WRONG)
def test_it_is_noticed(edit: Edit, checks: set[str]) -> None:
    assert noticed(edit) == checks
