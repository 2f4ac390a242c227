"""A chat's event stream → what to show, piece by piece. Pure.

It takes what servers send, with thinking under either name, and tells a complete answer from one that broke off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from gateway.commands.client.errors import Broken, ClientError, Refused
from gateway.commands.client.events import Event
from gateway.commands.client.objects import error_text

DONE = "[DONE]"
THINKING = ("reasoning_content", "reasoning")  # the same text where a server gives both


@dataclass(frozen=True, slots=True)
class Part:
    """Some text. ``thinking``: it is not of the answer."""

    text: str
    thinking: bool = False


@dataclass(slots=True)
class Answer:
    """What came so far."""

    text: list[str] = field(default_factory=list)
    reason: str = ""
    tokens: int | None = None
    prompt_tokens: int | None = None
    calls: dict[int, list[str]] = field(default_factory=dict)  # name, then pieces of arguments
    done: bool = False

    def push(self, event: Event) -> list[Part]:
        """The parts of an event. ClientError where the event is an error, or makes no sense."""
        data = event.data
        if data is None or not data.strip():
            return []
        if data.strip() == DONE:
            self.done = True
            return []
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise Broken("The server sent an event that is no JSON.") from None
        return self.take(chunk, "delta")

    def take(self, chunk: Any, name: str) -> list[Part]:
        """The parts of a chunk (``name``: delta), or of a reply that was not streamed (``name``: message)."""
        if not isinstance(chunk, dict) or "choices" not in chunk:
            raise _error(chunk)
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.tokens = _count(usage.get("completion_tokens"))
            self.prompt_tokens = _count(usage.get("prompt_tokens"))
        choices = chunk["choices"]
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return []
        choice = choices[0]
        if isinstance(choice.get("finish_reason"), str):
            self.reason = choice["finish_reason"]
        delta = choice.get(name)
        return self._said(delta) if isinstance(delta, dict) else []

    def _said(self, delta: dict[str, Any]) -> list[Part]:
        parts = []
        thought = next((delta[key] for key in THINKING if isinstance(delta.get(key), str) and delta[key]), "")
        if thought:
            parts.append(Part(thought, thinking=True))
        for key in ("content", "refusal"):
            if isinstance(delta.get(key), str) and delta[key]:
                self.text.append(delta[key])
                parts.append(Part(delta[key]))
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else []):
            if isinstance(call, dict) and isinstance(call.get("function"), dict):
                index, function = call.get("index"), call["function"]
                known = self.calls.setdefault(index if isinstance(index, int) else position, [""])
                known[0] = known[0] or str(function.get("name") or "")
                known.append(str(function.get("arguments") or ""))
        return parts

    def check_complete(self) -> None:
        """Broken where the stream ended before its answer did."""
        if not self.done and not self.reason:
            raise Broken("The answer broke off: the server closed the stream before its end.")

    @property
    def said_calls(self) -> list[str]:
        """Calls for people."""
        return [f"{call[0]}({''.join(call[1:])})" for _, call in sorted(self.calls.items())]


def _error(chunk: Any) -> ClientError:
    said, code = error_text(chunk)
    if not said:
        return Broken("The server sent an event that is neither a chunk nor an error.")
    return Refused(200, said, code=code)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
