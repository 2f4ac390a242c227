"""A stream of deltas as server-sent events. It knows frames and that a status cannot change once it is sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from gateway.core.errors import GatewayError
from gateway.core.types import Delta
from gateway.http.closing import Ending, ending

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
    ) -> None:
        """``first`` was awaited before, so that an early failure has a status of its own. ``error``: frames of a late
        one."""
        self._rest = rest
        self._encode = encode
        self._error = error
        self._ending: Ending | None = None
        super().__init__(
            self._frames(first),
            headers=HEADERS | headers,
            media_type="text/event-stream; charset=utf-8",
            ping=ping_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            sep="\n",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._ending = ending(scope)
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rest.aclose()

    async def _frames(self, first: Delta) -> AsyncGenerator[bytes, None]:
        rest, encode, ending = self._rest, self._encode, self._ending
        if ending is not None:
            ending.streams(rest)
        try:
            yield encode(first)
            async with aclosing(rest):
                async for delta in rest:
                    if ending is not None and ending.stopped:
                        raise ending.error()
                    yield encode(delta)
        except asyncio.CancelledError:
            if ending is None or not ending.stopped:
                raise
            ending.settle()
            yield self._error(ending.error())
        except GatewayError as error:
            logger.warning("stream failed: %s", error.message)
            yield self._error(error)
        except Exception:
            logger.exception("stream failed")
            yield self._error(GatewayError("Internal error; the gateway's log has it under this request id."))
