"""Answers of a model, as deltas drawn at random, and how they are written as a message: streamed, and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from gateway.core.reply.messages import MessageEvents, MessageReply, MessageStream
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Part, Reasoning, Usage


def encoder(**options: Any) -> MessageEvents:
    return MessageEvents(**{"id": "msg_1", "model": "q", "input_tokens": 7, "max_tokens": 100} | options)


def raw(deltas: Sequence[Delta], **options: Any) -> bytes:
    stream = MessageStream(encoder(**options), request_id="req_1")
    return b"".join(stream.push(delta) for delta in deltas)


def events(frames: bytes) -> list[dict[str, Any]]:
    """The events of frames, whose names must agree with their data."""
    assert not frames or frames.endswith(b"\n\n")
    found = []
    for block in frames.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def folded(deltas: Sequence[Delta], **options: Any) -> dict[str, Any]:
    reply = MessageReply(encoder(**options))
    for delta in deltas:
        reply.push(delta)
    return reply.body


# Any answer a model may give: runs of text and thinking, and calls whose arguments are an object, the last perhaps cut.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(st.text(max_size=3), JSON, max_size=3)
SOME_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@st.composite
def answers(draw: st.DrawFn) -> list[Delta]:
    parts: list[Part] = []
    calls = 0
    runs = draw(st.lists(st.sampled_from(["content", "reasoning", "call"]), max_size=6))
    reason = draw(st.sampled_from(["stop", "length"] + ["tool_calls"] * ("call" in runs)))
    for number, run in enumerate(runs):
        if run == "call":
            arguments = json.dumps(draw(OBJECT), ensure_ascii=draw(st.booleans()))
            if number == len(runs) - 1 and reason == "length":
                arguments = arguments[: draw(st.integers(0, len(arguments)))]
            parts.append(CallStart(calls, f"call_{calls}", draw(SOME_TEXT)))
            parts += [CallArguments(calls, piece) for piece in pieces(draw, arguments)]
            calls += 1
        else:
            kind = Content if run == "content" else Reasoning
            parts += [kind(piece) for piece in pieces(draw, draw(SOME_TEXT))]
    deltas = [Delta(parts=tuple(some)) for some in pieces(draw, parts)]
    finish = Finish(reason, draw(st.sampled_from([Usage(7, 3), Usage(7, 100, 2, 1)])), draw(st.none() | SOME_TEXT))
    return [*deltas, Delta(finish=finish)]


def pieces(draw: st.DrawFn, whole: Any) -> Iterator[Any]:
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        if start < end:
            yield whole[start:end]
