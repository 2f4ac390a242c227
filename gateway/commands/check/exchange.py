"""A request and all that came back, kept so that many checks can look at one answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gateway.commands.check.verdict import Missed, NotApplicable, need, reach, shown
from gateway.commands.client.events import Event
from gateway.commands.client.objects import error_text

DONE = "[DONE]"


@dataclass(frozen=True)
class Exchange:
    """``broken``: why the reply is not whole; status 0 where none came at all."""

    title: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    events: tuple[Event, ...] = ()
    broken: str = ""

    def ok(self) -> Exchange:
        """Itself, where it is a whole reply with status 200."""
        if self.broken:
            raise Missed(f"a whole reply to {self.title}", self.broken)
        if self.status != 200:
            raise Missed(f"status 200 for {self.title}", f"{self.status}: {self.said}")
        return self

    def offered(self, what: str) -> Exchange:
        """Itself; NotApplicable where the server says that it does not have this."""
        if not self.broken and self.status in (400, 403, 404, 405, 422, 501):
            raise NotApplicable(f"the server does not offer {what} ({self.status}: {self.said})")
        return self.ok()

    @property
    def said(self) -> str:
        """The text of an error, however it is wrapped."""
        text = error_text(self._parsed)[0] or self.body[:300].decode("utf-8", "replace")
        return shown(text) if text.strip() else "no text"

    @property
    def json(self) -> dict[str, Any]:
        """The body's JSON object."""
        need(isinstance(self._parsed, dict), f"{self.title} is answered by a JSON object", self.said)
        found: dict[str, Any] = self._parsed
        return found

    @cached_property
    def _parsed(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def payloads(self) -> list[Any]:
        """What the events carry: JSON values, ``[DONE]``, or None where there is neither."""
        return [_payload(event.data) for event in self.events if event.data is not None]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The chunks of a stream that was answered. Missed where there is none."""
        self.ok()
        found = [each for each in self.payloads if isinstance(each, dict) and "choices" in each]
        need(bool(found), f"{self.title} is answered by events with chunks", self.said)
        return found

    @property
    def deltas(self) -> list[dict[str, Any]]:
        """The deltas of the first choice."""
        return [reach(choice, "delta", kind=dict) for choice in self.choices()]

    def choices(self, index: int = 0) -> list[dict[str, Any]]:
        """What the chunks say of one choice, in order; Missed where they say nothing."""
        parts: list[Any] = [each for chunk in self.chunks for each in reach(chunk, "choices", kind=list)]
        for part in parts:
            reach(part, kind=dict)
        found = [part for part in parts if part.get("index", 0) == index]
        need(bool(found), f"a choice with index {index} in the chunks", self.chunks[0])
        return found


def text_of(deltas: list[dict[str, Any]]) -> list[str]:
    """The pieces of text in deltas, without empty ones."""
    return [delta["content"] for delta in deltas if isinstance(delta.get("content"), str) and delta["content"]]


def _payload(data: str) -> Any:
    if data.strip() == DONE:
        return DONE
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
