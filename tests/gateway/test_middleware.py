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


@pytest.mark.parametrize(
    ("path", "status", "lines"),
    [
        ("/healthz", 200, 0),
        ("/debug/endpoints", 200, 0),
        ("/playground/main.js", 200, 0),
        ("/", 200, 1),
        ("/v1/models", 200, 1),
        ("/metrics", 401, 1),
        ("/playground/main.js/..", 401, 1),
    ],
)
async def test_what_is_asked_again_and_again_is_logged_only_where_it_is_refused(
    path: str, status: int, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def replies(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def ignored(*_: Message) -> Message:
        return {"type": "http.disconnect"}

    with caplog.at_level(logging.INFO, logger="gateway.access"):
        await RequestLog(replies)({"type": "http", "method": "GET", "path": path, "headers": []}, ignored, ignored)  # type: ignore[arg-type]
    assert len(caplog.messages) == lines
