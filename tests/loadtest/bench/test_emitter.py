"""The emitter sends what a gateway sent, as much as is asked for, in each of its forms."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from loadtest.bench.emitter import Frames, Wish, application
from loadtest.bench.fronts import emitter_path
from loadtest.bench.replay import Pace


def frame(content: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"' + content.encode() + b'"}}]}\n\n'


ROLE, LAST, DONE = frame(""), b'data: {"finish_reason":"length"}\n\n', b"data: [DONE]\n\n"
FRAMES = Frames.of(ROLE + frame("a") + frame('\\"') + frame("c") + LAST + DONE)


def test_a_recorded_answer() -> None:
    assert Frames(ROLE, (frame("a"), frame('\\"'), frame("c")), LAST + DONE) == FRAMES


@pytest.mark.parametrize("recorded", [b"", DONE, b'{"error": 1}'], ids=["empty", "no-text", "no-stream"])
def test_what_is_no_answer(recorded: bytes) -> None:
    with pytest.raises(ValueError, match="no frame with text"):
        Frames.of(recorded)


PACES = {
    "at-once": (Pace(0), False),
    "a-turn-each": (Pace(0), True),
    "paced": (Pace(0.001), False),
    "in-steps": (Pace(0.001, steps=True), False),
}


@pytest.mark.parametrize(("pace", "turn"), PACES.values(), ids=PACES)
async def test_all_is_sent(pace: Pace, turn: bool) -> None:
    query = emitter_path(5, pace, turn=turn).partition("?")[2].encode()
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await application(FRAMES)({"type": "http", "query_string": query}, receive, send)
    body = b"".join(message["body"] for message in sent[1:])
    assert body == ROLE + frame("a") + frame('\\"') + frame("c") + frame("a") + frame('\\"') + LAST + DONE
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    assert Wish.of(query) == Wish(5, pace.gap, pace.steps, turn)
