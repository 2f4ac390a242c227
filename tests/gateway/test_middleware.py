"""What the log says of a request, whatever became of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.http.middleware import RequestLog


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a bug of ours")


async def breaks_late(scope: Scope, receive: Receive, send: Send) -> None:
    await answers(scope, receive, send)
    raise RuntimeError("a bug of ours")


async def is_left(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("app", "status"),
    [(answers, 204), (breaks, 500), (breaks_late, 204), (is_left, 499)],
    ids=["answered", "bug", "bug-after-the-status", "client-left"],
)
async def test_the_status_of_the_log(app: object, status: int, caplog: pytest.LogCaptureFixture) -> None:
    scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": [(b"x-request-id", b"me")]}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    with (
        caplog.at_level(logging.INFO, logger="gateway.access"),
        contextlib.suppress(RuntimeError, asyncio.CancelledError),
    ):
        await RequestLog(app)(scope, receive, send)  # type: ignore[arg-type]
    (line,) = caplog.messages
    assert line.startswith(f"me GET /v1/models {status} ")
