"""A stream of deltas as server-sent events. It knows frames and that a status cannot change once it is sent."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from gateway.core.errors import GatewayError
from gateway.core.types import Delta

logger = logging.getLogger("gateway")

# nginx must not collect chunks, and no cache may keep them. sse-starlette's own header says no-store.
HEADERS = {"x-accel-buffering": "no", "cache-control": "no-cache"}


class DeltaStream(EventSourceResponse):
    """Sends deltas as they come; whatever ends the response also closes them, which cancels the request upstream."""

    def __init__(
        self,
        first: Delta,
        rest: AsyncGenerator[Delta, None],
        encode: Callable[[Delta], bytes],
        error: Callable[[GatewayError], bytes],
        *,
        headers: dict[str, str],
        ping_seconds: int,
        grace_seconds: float,
    ) -> None:
        """``first`` was awaited before, so that an early failure has a status of its own. ``error``: frames of a late
        one."""
        self._rest = rest
        super().__init__(
            _frames(first, rest, encode, error),
            headers=HEADERS | headers,
            media_type="text/event-stream; charset=utf-8",
            ping=ping_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            sep="\n",
            shutdown_event=anyio.Event(),
            shutdown_grace_period=grace_seconds,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rest.aclose()


async def _frames(
    first: Delta,
    rest: AsyncGenerator[Delta, None],
    encode: Callable[[Delta], bytes],
    fail: Callable[[GatewayError], bytes],
) -> AsyncGenerator[bytes, None]:
    try:
        yield encode(first)
        async with aclosing(rest):
            async for delta in rest:
                yield encode(delta)
    except GatewayError as error:
        logger.warning("stream failed: %s", error.message)
        yield fail(error)
    except Exception:
        logger.exception("stream failed")
        yield fail(GatewayError("Internal error; the gateway's log has it under this request id."))
