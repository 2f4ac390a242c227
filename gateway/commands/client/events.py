"""Server-sent events out of bytes, however those are cut. Pure. It takes what servers send, not only what they should:
what is wrong with an event is for whoever checks it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.commands.client.errors import Broken

LIMIT = 8 * 1024 * 1024  # bytes of one event; nobody means more


@dataclass(frozen=True, slots=True)
class Event:
    """Everything between two blank lines, as it came. ``ended``: the blank line after it came too."""

    lines: tuple[str, ...]
    ended: bool = True

    @property
    def data(self) -> str | None:
        """The payload; None where there is none, as in a comment."""
        found = [line[5:].removeprefix(" ") for line in self.lines if line.startswith("data:")]
        return "\n".join(found) if found else None


class EventReader:
    """``push`` bytes as they come, and at the end ``flush``."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0  # how much of the rest has no line's end in it
        self._lines: list[str] = []
        self._size = 0

    def push(self, data: bytes) -> list[Event]:
        """The events that are complete now."""
        events = []
        rest = self._rest
        rest += data
        start = 0
        while (end := rest.find(b"\n", max(start, self._searched))) >= 0:
            line = bytes(rest[start:end]).removesuffix(b"\r")
            start = end + 1
            if line:
                self._size += len(line) + 1
                self._lines.append(line.decode("utf-8", "replace"))
            elif self._lines:
                events.append(self._event(ended=True))
        del rest[:start]
        self._searched = len(rest)
        if len(rest) + self._size > LIMIT:
            raise Broken(f"The server sent an event of more than {LIMIT >> 20} MiB.")
        return events

    def flush(self) -> list[Event]:
        """What came after the last blank line: an event that was never ended."""
        if self._rest:
            self._lines.append(bytes(self._rest).decode("utf-8", "replace"))
            self._rest.clear()
        return [self._event(ended=False)] if self._lines else []

    def _event(self, *, ended: bool) -> Event:
        event = Event(tuple(self._lines), ended)
        self._lines, self._size = [], 0
        return event
