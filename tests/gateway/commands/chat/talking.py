"""A server of chats whose answers a test writes. It knows OpenAI's chunks."""

from __future__ import annotations

import json
from typing import Any

from tests.gateway.commands.servers import Answer, Connection, Request

USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def frame(payload: Any) -> bytes:
    return f"data: {payload if isinstance(payload, str) else json.dumps(payload)}\n\n".encode()


def said(text: str, name: str = "content", reason: str | None = None) -> bytes:
    """A chunk."""
    return frame({"choices": [{"index": 0, "delta": {name: text}, "finish_reason": reason}]})


END = frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
END += frame({"choices": [], "usage": USAGE}) + frame("[DONE]")


def talking(*answers: bytes | Answer, models: tuple[str, ...] = ("qwen",)) -> Answer:
    """Gives one answer after the other, the last for ever: a stream's bytes, or a function."""
    left = list(answers)

    def answer(request: Request, connection: Connection) -> None:
        if request.target == "/v1/models":
            connection.reply(json.dumps({"data": [{"id": model} for model in models]}).encode())
            return
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, bytes):
            connection.stream(one)
        else:
            one(request, connection)

    return answer


def refusing(status: int, message: str = "No.", code: str | None = None, **headers: str) -> Answer:
    """An error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "x", "param": None, "code": code}}).encode()
    return lambda _, connection: connection.reply(body, status=status, **headers)
