"""Server-sent events, read strictly: only what a gateway may send, so that a lenient parser hides nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Event:
    """``data`` is the JSON value, or ``[DONE]``; ``name`` the event's name where it has one."""

    data: Any
    name: str | None = None


def read_events(body: bytes, *, complete: bool = True) -> list[Event]:
    """The events of a body without its comments. ``complete``: the body ends at the end of an event."""
    frames = body.split(b"\n\n")
    rest = frames.pop()
    assert not (complete and rest), f"the stream ends inside of an event: {rest!r}"
    return [_event(frame) for frame in frames if not frame.startswith(b":")]


def _event(frame: bytes) -> Event:
    lines = frame.decode("utf-8").split("\n")
    name = None
    if lines[0].startswith("event: "):
        name = lines.pop(0).removeprefix("event: ")
    assert len(lines) == 1, f"an event is one data line, perhaps after its name: {frame!r}"
    assert lines[0].startswith("data: "), f"not a data line: {frame!r}"
    payload = lines[0].removeprefix("data: ")
    return Event(payload if payload == DONE else json.loads(payload), name)
