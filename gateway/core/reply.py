"""Deltas → OpenAI's JSON: chunks of a stream, the body of a collected one, lists of models, errors.

The exact shapes clients rely on: the role only in the first chunk; id, created and model the same in every chunk; a
usage chunk with empty ``choices`` only where asked for, and then ``usage: null`` in every other chunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gateway.core.errors import GatewayError
from gateway.core.types import Delta, Finish, Usage

DONE = b"data: [DONE]\n\n"


def dumps(value: object) -> str:
    """Compact JSON with characters as they are: Chinese costs three bytes, not six."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def frame(value: object) -> bytes:
    """One server-sent event."""
    return f"data: {dumps(value)}\n\n".encode()


class ChatStream:
    """The chunks of one streamed chat completion, as SSE frames."""

    def __init__(self, *, id: str, created: int, model: str, include_usage: bool) -> None:
        self._head: dict[str, Any] = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage
        self._started = False

    def push(self, delta: Delta) -> bytes:
        """The frames of a delta: none for an empty one, and with the finish everything up to ``[DONE]``."""
        frames = []
        if not self._started:
            self._started = True
            frames.append(self._chunk({"role": "assistant", "content": ""}, None))
        if delta.text:
            frames.append(self._chunk({"content": delta.text}, None))
        if delta.finish is not None:
            frames.append(self._chunk({}, delta.finish.reason))
            if self._include_usage:
                frames.append(frame({**self._head, "choices": [], "usage": usage(delta.finish.usage)}))
            frames.append(DONE)
        return b"".join(frames)

    def _chunk(self, delta: dict[str, str], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head, "choices": [choice]}
        if self._include_usage:
            chunk["usage"] = None
        return frame(chunk)


def chat_completion(texts: Iterable[str], finish: Finish, *, id: str, created: int, model: str) -> dict[str, Any]:
    """The body of a chat completion that was collected from its stream."""
    message = {"role": "assistant", "content": "".join(texts), "refusal": None}
    return {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish.reason}],
        "usage": usage(finish.usage),
    }


def usage(counts: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
    }


def model_card(name: str, *, created: int, max_model_len: int) -> dict[str, Any]:
    """One entry of the list of models. ``max_model_len`` is an extension that chat frontends read."""
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "qwen-triton-gateway",
        "max_model_len": max_model_len,
    }


def model_list(cards: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": cards}


def error_body(error: GatewayError) -> dict[str, Any]:
    """OpenAI's error object; all four keys are always there."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def error_frames(error: GatewayError) -> bytes:
    """An error after the stream began: one frame that both major SDKs raise on, then the end."""
    return frame(error_body(error)) + DONE
