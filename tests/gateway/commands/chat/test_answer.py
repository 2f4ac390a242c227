"""Events of servers, right and odd, as what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.commands.chat.answer import Answer, Part
from gateway.commands.client.errors import Broken, ClientError, Refused
from gateway.commands.client.events import Event


def event(payload: Any) -> Event:
    return Event((f"data: {payload if isinstance(payload, str) else json.dumps(payload)}",))


def chunk(delta: Any, reason: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


SHOWN: list[tuple[str, Any, list[Part]]] = [
    ("text", chunk({"content": "Hi"}), [Part("Hi")]),
    ("role", chunk({"role": "assistant", "content": ""}), []),
    ("null", chunk({"content": None}), []),
    ("refusal", chunk({"refusal": "No."}), [Part("No.")]),
    ("thinking", chunk({"reasoning_content": "Hm."}), [Part("Hm.", thinking=True)]),
    ("newer-name", chunk({"reasoning": "Hm."}), [Part("Hm.", thinking=True)]),
    ("both-names", chunk({"reasoning": "Hm.", "reasoning_content": "Hm."}), [Part("Hm.", thinking=True)]),
    ("thinking-and-text", chunk({"reasoning": "Hm.", "content": "A"}), [Part("Hm.", thinking=True), Part("A")]),
    ("no-choices", {"choices": [], "usage": {"completion_tokens": 3}}, []),
    ("no-delta", {"choices": [{}]}, []),
    ("numbers", chunk({"content": 5, "reasoning": [], "tool_calls": 3}), []),
    ("odd-choices", {"choices": "x"}, []),
    ("odd-choice", {"choices": [5]}, []),
    ("odd-calls", chunk({"tool_calls": [5, {}, {"function": 5}]}), []),
]


@pytest.mark.parametrize(("payload", "parts"), [row[1:] for row in SHOWN], ids=[row[0] for row in SHOWN])
def test_what_is_shown(payload: Any, parts: list[Part]) -> None:
    assert Answer().push(event(payload)) == parts


@pytest.mark.parametrize("lines", [(": ping",), ("event: x",), ("data:",), ("data:  ",), ("retry: 3",)])
def test_what_says_nothing(lines: tuple[str, ...]) -> None:
    assert Answer().push(Event(lines)) == []


FAILED = [
    ({"error": {"message": "It died.", "code": "x"}}, Refused, "It died."),
    ({"error": "It died."}, Refused, "It died."),
    ({"message": "It died.", "code": 500}, Refused, "It died."),
    ({"object": "chat.completion.chunk"}, Broken, "neither a chunk nor an error"),
    ([], Broken, "neither a chunk nor an error"),
    ("{", Broken, "no JSON"),
    ("[" * 100_000, Broken, "no JSON"),
]


@pytest.mark.parametrize(("payload", "kind", "said"), FAILED, ids=[str(row[0])[:40] for row in FAILED])
def test_errors_within(payload: Any, kind: type[ClientError], said: str) -> None:
    with pytest.raises(kind) as caught:
        Answer().push(event(payload))
    assert said in caught.value.message


def test_counts_reasons_and_calls() -> None:
    answer = Answer()
    function = {"name": "add", "arguments": ""}
    for payload in (
        chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": None, "arguments": "1}"}}]}),
        chunk({}, "tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}},
        "[DONE]",
    ):
        answer.push(event(payload))
    assert (answer.said_calls, answer.reason, answer.done) == (['add({"a": 1})'], "tool_calls", True)
    assert (answer.prompt_tokens, answer.tokens) == (7, 3)


@pytest.mark.parametrize("count", [None, "3", -1, True, 1.5])
def test_counts_are_never_invented(count: Any) -> None:
    answer = Answer()
    answer.push(event({"choices": [], "usage": {"completion_tokens": count}}))
    assert answer.tokens is None


@pytest.mark.parametrize(
    ("payloads", "whole"),
    [([chunk({"content": "x"})], False), ([chunk({}, "stop")], True), (["[DONE]"], True), ([], False)],
    ids=["cut", "reason-alone", "done-alone", "nothing"],
)
def test_a_complete_answer_is_told_from_one_that_broke_off(payloads: list[Any], whole: bool) -> None:
    answer = Answer()
    for payload in payloads:
        answer.push(event(payload))
    if whole:
        answer.check_complete()
    else:
        with pytest.raises(Broken, match="broke off"):
            answer.check_complete()
