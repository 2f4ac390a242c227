"""Deltas → Anthropic's Messages: the events of a stream, the message object, and errors in Anthropic's shape.

A message is a row of blocks, one open at a time: text, thinking, tool use. A block ends where a part of another kind,
or the next call, begins. The message object is the fold of the very events that a stream sends.

What clients rely on: a tool's id and name once, its input as the model wrote it; a signature at the end of every
thinking block; counts in ``message_delta`` that replace those of ``message_start``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic_core import from_json

from gateway.core.errors import ContextLengthExceeded, GatewayError
from gateway.core.reply.wire import dumps
from gateway.core.types import CallStart, Content, Delta, Finish, Part, Reasoning

# Clients send thinking back with its signature, and some drop what has none. There is nothing to prove here, and no
# one to prove it to: the value says so, in letters that are also valid base64.
SIGNATURE = "unsigned"

# Status of ours → Anthropic's status and type. Others below 500 keep their status, others above become 500.
ERRORS = {
    401: (401, "authentication_error"),
    403: (403, "permission_error"),
    404: (404, "not_found_error"),
    413: (413, "request_too_large"),
    429: (429, "rate_limit_error"),
    503: (529, "overloaded_error"),
    504: (504, "timeout_error"),
}

Event = dict[str, Any]
Kind = Literal["text", "thinking", "tool_use"]


class MessageEvents:
    """Deltas → events, as values. ``input_tokens``: of the prompt. ``max_tokens``: what the client asked for, which may
    be more than the context had room for. ``show_thinking``: False where the client wants to know that the model
    thought, but not what."""

    def __init__(self, *, id: str, model: str, input_tokens: int, max_tokens: int, show_thinking: bool = True) -> None:
        self._id = id
        self._model = model
        self._input_tokens = input_tokens
        self._max_tokens = max_tokens
        self._show_thinking = show_thinking
        self._started = False
        self._index = -1  # of the block that was opened last
        self._kind: Kind | None = None  # of the open block
        self._called = False

    def push(self, delta: Delta) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield self._start()
        for part in delta.parts:
            yield from self._part(part)
        if delta.finish is not None:
            yield from self._close()
            yield self._finished(delta.finish)
            yield {"type": "message_stop"}

    def _start(self) -> Event:
        usage = {
            "input_tokens": self._input_tokens,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
            "output_tokens": 0,
        }
        message: Event = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        return {"type": "message_start", "message": message}

    def _part(self, part: Part) -> Iterator[Event]:
        if isinstance(part, Content):
            if self._kind != "text":
                yield from self._open("text", {"type": "text", "text": ""})
            yield self._delta({"type": "text_delta", "text": part.text})
        elif isinstance(part, Reasoning):
            if self._kind != "thinking":
                yield from self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            if self._show_thinking:
                yield self._delta({"type": "thinking_delta", "thinking": part.text})
        elif isinstance(part, CallStart):
            self._called = True
            yield from self._open("tool_use", {"type": "tool_use", "id": part.id, "name": part.name, "input": {}})
        else:
            yield self._delta({"type": "input_json_delta", "partial_json": part.text})

    def _open(self, kind: Kind, block: Event) -> Iterator[Event]:
        yield from self._close()
        self._kind = kind
        self._index += 1
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, delta: Event) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _close(self) -> Iterator[Event]:
        if self._kind == "thinking":
            yield self._delta({"type": "signature_delta", "signature": SIGNATURE})
        if self._kind is not None:
            yield {"type": "content_block_stop", "index": self._index}

    def _finished(self, finish: Finish) -> Event:
        reason = self._stop_reason(finish)
        counts = finish.usage
        usage: Event = {"input_tokens": counts.prompt_tokens, "output_tokens": counts.completion_tokens}
        if counts.cached_tokens is not None:  # Anthropic counts a token as read from the cache or as input, never twice
            usage["input_tokens"] -= counts.cached_tokens
            usage["cache_read_input_tokens"] = counts.cached_tokens
        if counts.reasoning_tokens is not None:
            usage["output_tokens_details"] = {"thinking_tokens": counts.reasoning_tokens}
        stopped_by = finish.stopped_by if reason == "stop_sequence" else None
        return {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": stopped_by},
            "usage": usage,
        }

    def _stop_reason(self, finish: Finish) -> str:
        if finish.reason == "length":
            reached = finish.usage.completion_tokens >= self._max_tokens
            return "max_tokens" if reached else "model_context_window_exceeded"
        if finish.reason == "tool_calls":
            return "tool_use"
        if finish.stopped_by is not None:
            return "stop_sequence"
        return "tool_use" if self._called else "end_turn"  # a call that was forced by name: OpenAI's reason is "stop"


class MessageStream:
    """The server-sent events of one streamed message."""

    def __init__(self, events: MessageEvents, *, request_id: str) -> None:
        self._events = events
        self._request_id = request_id

    def push(self, delta: Delta) -> bytes:
        """The frames of a delta: none for an empty one, and with the finish everything up to ``message_stop``."""
        return b"".join(map(frame, self._events.push(delta)))

    def error(self, error: GatewayError) -> bytes:
        """An error after the stream began; nothing follows it."""
        return frame(error_body(error, request_id=self._request_id))


class MessageReply:
    """The message object, as it grows."""

    def __init__(self, events: MessageEvents) -> None:
        self._events = events
        self._message: Event = {}
        self._input: list[str] = []  # JSON text of the tool use that is open

    def push(self, delta: Delta) -> None:
        for event in self._events.push(delta):
            self._apply(event)

    @property
    def body(self) -> dict[str, Any]:
        """The whole message, once the last delta was pushed."""
        return self._message

    def _apply(self, event: Event) -> None:
        kind = event["type"]
        if kind == "message_start":
            self._message = event["message"]
        elif kind == "content_block_start":
            block = event["content_block"]
            # Lists of text, joined at the end of the block: a string that grows by each token is copied each time.
            self._message["content"].append({name: [] if value == "" else value for name, value in block.items()})
        elif kind == "content_block_delta":
            self._extend(self._message["content"][-1], event["delta"])
        elif kind == "content_block_stop":
            self._join(self._message["content"][-1])
        elif kind == "message_delta":
            self._message.update(event["delta"])
            self._message["usage"].update(event["usage"])

    def _extend(self, block: Event, delta: Event) -> None:
        for name, value in delta.items():
            if name == "partial_json":
                self._input.append(value)
            elif name != "type":
                block[name].append(value)

    def _join(self, block: Event) -> None:
        for name, value in block.items():
            if isinstance(value, list):
                block[name] = "".join(value)
        if block["type"] == "tool_use":
            block["input"] = tool_input("".join(self._input))
            self._input.clear()


def tool_input(text: str) -> dict[str, Any]:
    """The input object of a tool use. Of text that was cut short, what is complete; of what is no object, Anthropic's
    own wrapping of invalid input, so that nothing is lost."""
    if not text.strip():
        return {}
    try:
        value = from_json(text, allow_inf_nan=False, allow_partial=True)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"INVALID_JSON": text}


def frame(event: Event) -> bytes:
    """One server-sent event under its own name."""
    return f"event: {event['type']}\ndata: {dumps(event)}\n\n".encode("utf-8", "replace")


def error_status(error: GatewayError) -> int:
    """Anthropic's status for an error."""
    return _error(error)[0]


def error_body(error: GatewayError, *, request_id: str) -> dict[str, Any]:
    """Anthropic's error object. It has no place for the field's name, so the message says it."""
    message = error.message
    if isinstance(error, ContextLengthExceeded):
        message = (
            f"prompt is too long: {message}"  # words by which clients know that they must shorten the conversation
        )
    elif error.param is not None and error.param not in message:
        message = f"{error.param}: {message}"
    return {"type": "error", "error": {"type": _error(error)[1], "message": message}, "request_id": request_id}


def _error(error: GatewayError) -> tuple[int, str]:
    known = ERRORS.get(error.status)
    if known is not None:
        return known
    return (error.status, "invalid_request_error") if error.status < 500 else (500, "api_error")
