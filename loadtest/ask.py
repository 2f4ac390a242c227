"""What one client does, and what it saw. Values only: no socket, no clock."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. Times are seconds."""

    body: bytes
    path: str = CHAT
    headers: tuple[tuple[str, str], ...] = ()
    leave_after: float | None = None  # from the send: the client is gone then, whatever came
    leave_after_frames: int | None = None
    read_bytes: int | None = None  # a slow reader takes so many bytes at a time …
    read_every: float = 0.0  # … and then waits so long
    keep_text: bool = False  # whether the text of the answer is kept
    timeout: float = 120.0
    name: str = ""


@dataclass(slots=True)
class Seen:
    """What the client saw. Moments are seconds of the monotonic clock; ``left_at`` is wall clock too, because the
    engine's journal is."""

    ask: Ask
    sent: float = 0.0
    first: float | None = None  # first frame with text
    ended: float = 0.0
    gaps: array[float] = field(default_factory=lambda: array("d"))  # between frames with text, after the first
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    bytes: int = 0
    frames: int = 0
    text: str = ""
    whole: bool = False  # a reply that came to its end: [DONE], or all of its body
    error: str = ""  # the error frame or error body, or what happened to the connection
    left_at: float | None = None  # wall clock

    @property
    def left(self) -> bool:
        return self.left_at is not None

    @property
    def good(self) -> bool:
        return self.whole and self.status == 200 and not self.error

    @property
    def kind(self) -> str:
        """One word for tables: ok, left, 429, 503, …, error frame, cut, refused, timeout."""
        if self.left:
            return "left"
        if self.good:
            return "ok"
        if self.status == 0:
            return self.error.partition(":")[0] or "no reply"
        if self.status != 200:
            return str(self.status)
        return "error frame" if self.whole else "cut"

    @property
    def ttft(self) -> float | None:
        return None if self.first is None else self.first - self.sent

    @property
    def seconds(self) -> float:
        return self.ended - self.sent


def chat(
    model: str, content: str, *, system: str = "", stream: bool = True, max_tokens: int | None = None, **more: Any
) -> bytes:
    """The body of a chat with one message, and a system prompt where one is given."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": content})
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": stream}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    return json.dumps(body | more).encode()
