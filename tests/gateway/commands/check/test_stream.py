"""Streams that are wrong, and the checks that notice."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands.check.verdict import State
from tests.gateway.commands.check.conforming import Said, error
from tests.gateway.commands.check.wrong import Edit, asked, chunks, judged, names, noticed, put, streams, wrong
from tests.gateway.commands.servers import Request

# What every check of a stream that cannot be read at all misses.
UNREADABLE = names("stream", "usage", "tool-streams") | {"thinking.stream", "logprobs.stream", "chat.no-limit"}


def events(said: Said) -> list[Any]:
    assert said.events is not None
    return said.events


def cut(said: Said) -> None:
    said.broken = True


def whole(said: Said) -> None:
    said.events, said.body = None, {}
    said.headers["content-type"] = "application/json"


def cumulative(said: Said) -> None:
    so_far = ""
    for delta in said.deltas:
        if delta.get("content"):
            so_far = delta["content"] = so_far + delta["content"]


def in_one_piece(said: Said) -> None:
    text = [chunk for chunk in said.chunks if any(choice["delta"].get("content") for choice in chunk["choices"])]
    for chunk in text[1:]:
        text[0]["choices"][0]["delta"]["content"] += chunk["choices"][0]["delta"]["content"]
        events(said).remove(chunk)


def in_one_piece_once(request: Request, said: Said) -> None:
    """As a server with much to do may send what came together."""
    if said.events and request.json.get("max_tokens") == 200:
        in_one_piece(said)


def half_a_character(request: Request, said: Said) -> None:
    if said.events and b"\\u4f60" in request.body:
        said.deltas[2]["content"] = "\ufffd\ufffd"


def unasked_usage(request: Request, said: Said) -> None:
    if said.events and "/chat" in request.target and "stream_options" not in request.json:
        said.events.insert(-1, {**said.chunks[0], "choices": []})


def no_choices(chunk: dict[str, Any]) -> None:
    if not chunk["choices"]:
        del chunk["choices"]


def no_usage(said: Said) -> None:
    said.events = [each for each in events(said) if not (isinstance(each, dict) and each.get("usage"))]


def usage_early(said: Said) -> None:
    if said.chunks[-1].get("usage"):
        events(said).insert(2, events(said).pop(-2))


def usage_in_each(said: Said) -> None:
    for chunk in said.chunks:
        if "usage" in chunk:
            chunk["usage"] = said.chunks[-1]["usage"]


def another_count(chunk: dict[str, Any]) -> None:
    if chunk.get("usage"):
        chunk["usage"] = {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9}


def unseen_error(said: Said) -> None:
    said.events = [*said.chunks[:3], {"message": "The engine died.", "code": 500}, "data: [DONE]"]


def seen_error(request: Request, said: Said) -> None:
    """In the right form, in one stream only."""
    if said.events and request.json.get("max_tokens") == 4:
        said.events = [*said.chunks[:3], error(500, "The engine died.").body, "data: [DONE]"]


def busy(request: Request, said: Said) -> None:
    if b"One two three" in request.body and b'"stream"' in request.body:
        said.refuse(503)
        said.headers["retry-after"] = "3600"


def gone_after_leaving(said: Said) -> None:
    said.refuse(500)


WRONG = [
    wrong("no-done", streams(lambda said: events(said).pop()), "stream.done"),
    wrong("done-twice", streams(lambda said: events(said).append("data: [DONE]")), "stream.done"),
    wrong("done-left-open", streams(lambda said: events(said).__setitem__(-1, b"data: [DONE]\n")), "stream.whole"),
    wrong(
        "closed-early",
        streams(cut),
        *UNREADABLE - {"stream.content-type"},
        *("stream.content-type", "conduct.leave"),
        *("headers.no-buffering", "headers.no-cache", "headers.request-id-of-streams"),
    ),
    wrong("not-streamed", streams(whole), *UNREADABLE - {"stream.lines", "stream.json"}),
    wrong(
        "comment-alone", streams(lambda said: events(said).insert(2, "event: error\n: the engine died")), "stream.lines"
    ),
    wrong("retry-alone", streams(lambda said: events(said).insert(2, "retry: 3000")), "stream.lines"),
    wrong("spaces-after", streams(lambda said: events(said).__setitem__(-1, "data: [DONE] ")), "stream.json"),
    wrong("object", chunks(put(object="chat.completion")), "stream.object"),
    wrong("no-created", chunks(lambda chunk: chunk.pop("created")), "stream.keys"),
    wrong("id", chunks(put(id="1")), "stream.id"),
    wrong("other-created", streams(lambda said: said.chunks[-1].update(created=1_700_000_001)), "stream.constant"),
    wrong("no-reason-key", streams(lambda said: said.chunks[1]["choices"][0].pop("finish_reason")), "stream.choice"),
    wrong("no-role", streams(lambda said: said.deltas[0].pop("role")), "stream.first", "stream.role-once"),
    wrong(
        "role-in-each",
        streams(lambda said: [delta.update(role="assistant") for delta in said.deltas[:-1]]),
        "stream.role-once",
    ),
    wrong("text-at-the-end", streams(lambda said: said.deltas[-1].update(content="x")), "stream.finish"),
    wrong("cumulative", streams(cumulative), "stream.news-only"),
    wrong("in-one-piece", streams(in_one_piece), "stream.pieces"),
    wrong("in-one-piece-once", in_one_piece_once),
    wrong("half-a-character", half_a_character, "stream.characters"),
    wrong("unasked-usage", unasked_usage, "stream.no-usage"),
    wrong(
        "usage-without-choices",
        chunks(no_choices),
        *("usage.chunk", "usage.counts", "usage.same", "conduct.error-events"),
    ),
    wrong("no-usage", streams(no_usage), "usage.chunk", "usage.counts", "usage.last", "usage.same"),
    wrong("usage-early", streams(usage_early), *names("usage")),
    wrong("usage-in-each", streams(usage_in_each), "usage.null-before"),
    wrong("another-count", chunks(another_count), "usage.same"),
    wrong(
        "unseen-error",
        streams(unseen_error),
        *("conduct.error-events", "stream.finish", "stream.length", "stream.pieces"),
        *("tool-streams.arguments", "tool-streams.named", "tool-streams.required"),
        *("usage.chunk", "usage.counts", "usage.last", "usage.same"),
    ),
    wrong("an-error", seen_error, "stream.length"),
    wrong("busy-for-an-hour", busy, "completions.finish", "completions.stream", "conduct.retry-after"),
    wrong("breaks-when-left", asked(gone_after_leaving, max_tokens=5), "conduct.leave"),
]


def test_text_that_came_in_one_piece_after_many_of_thinking_is_asked_for_again() -> None:
    def change(request: Request, said: Said) -> Said:
        if said.events and request.json.get("max_tokens") == 200:
            in_one_piece(said)
            thought = {"index": 0, "delta": {"reasoning_content": "so"}, "finish_reason": None}
            said.events[1:1] = [{**said.chunks[0], "choices": [thought]} for _ in range(3)]
        return said

    (verdict,) = [each for each in judged(change) if each.check.name == "stream.news-only"]
    assert verdict.state is State.OK


@pytest.mark.parametrize(("edit", "checks"), WRONG)
def test_it_is_noticed(edit: Edit, checks: set[str]) -> None:
    assert noticed(edit) == checks
