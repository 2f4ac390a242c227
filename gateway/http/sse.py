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
from gateway.http.connection import Connection, connection
from gateway.http.writer import SlowClient, Writer
from gateway.service import Deltas

logger = logging.getLogger("gateway")

# nginx must not collect chunks, and no cache may keep them. sse-starlette's own header says no-store.
HEADERS = {"x-accel-buffering": "no", "cache-control": "no-cache"}


class DeltaStream(EventSourceResponse):
    """Sends deltas as they come; whatever ends the response also closes them, which cancels the request upstream."""

    def __init__(
        self,
        first: Deltas,
        rest: AsyncGenerator[Deltas, None],
        encode: Callable[[Delta], bytes],
        error: Callable[[GatewayError], bytes],
        *,
        headers: dict[str, str],
        ping_seconds: int,
    ) -> None:
        """``first`` was awaited before, so that an early failure has a status of its own. ``error``: frames of a late
        one."""
        self._first = first
        self._rest = rest
        self._encode = encode
        self._error = error
        self._ending: Ending | None = None
        self._connection: Connection | None = None
        super().__init__(
            rest,
            headers=HEADERS | headers,
            media_type="text/event-stream; charset=utf-8",
            ping=ping_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            sep="\n",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._ending = ending(scope)
        self._connection = connection(scope)
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rest.aclose()

    async def _stream_response(self, send: Send) -> None:
        """Takes the place of sse-starlette's loop, which stops reading deltas while the client does not read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writer = Writer(send, self._encode, self._connection)
        try:
            await writer.finish(await self._written(writer))
        except SlowClient:
            assert self._connection is not None, "nobody else is found slow"
            logger.warning("a client reads too slowly: its request is cancelled and its connection dropped")
            self._connection.drop()
            await self._connection.writable()  # until the drop is through
        finally:
            await writer.close()
        async with self._send_lock:
            self.active = False
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _written(self, writer: Writer) -> bytes:
        """Writes all deltas. What goes last: the frames of an error, or nothing."""
        rest, ending = self._rest, self._ending
        if ending is not None:
            ending.streams(rest)
        try:
            await writer.write(self._first)
            async with aclosing(rest):
                async for deltas in rest:
                    if ending is not None and ending.stopped:
                        raise ending.error()
                    await writer.write(deltas)
        except asyncio.CancelledError:
            if ending is None or not ending.stopped:
                raise
            ending.settle()
            return self._error(ending.error())
        except SlowClient:
            raise
        except GatewayError as error:
            logger.warning("stream failed: %s", error.message)
            return self._error(error)
        except Exception:
            logger.exception("stream failed")
            return self._error(GatewayError("Internal error; the gateway's log has it under this request id."))
        return b""
