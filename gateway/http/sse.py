"""A stream of deltas as server-sent events. It knows frames and that a status cannot change once it is sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from gateway.core.errors import GatewayError
from gateway.http.closing import Ending, ending
from gateway.http.connection import exchange
from gateway.http.writer import SlowClient, Writer

logger = logging.getLogger("gateway")

# nginx must not collect chunks, and no cache may keep them. sse-starlette's own header says no-store.
HEADERS = {"x-accel-buffering": "no", "cache-control": "no-cache"}


class DeltaStream(EventSourceResponse):
    """The response that a writer's deltas go out by; whatever ends it also ends the work that writes them, which
    cancels the request upstream."""

    def __init__(
        self,
        writer: Writer,
        work: asyncio.Task[None],
        left: asyncio.Task[None],
        error: Callable[[GatewayError], bytes],
        *,
        headers: dict[str, str],
        ping_seconds: int,
    ) -> None:
        """``left`` ends when the client leaves. ``error``: frames of a failure after the first delta. One before it had
        a status of its own."""
        self._writer = writer
        self._work = work
        self._left = left
        self._error = error
        self._ending: Ending | None = None
        super().__init__(
            iter(()),
            headers=HEADERS | headers,
            media_type="text/event-stream; charset=utf-8",
            ping=ping_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            sep="\n",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As sse-starlette's, without its task group and its watch for the server's end, which ``Closing`` brings: they
        cost more than all the rest of a short answer."""
        self._ending = ending(scope)
        self._exchange = exchange(scope)
        pings: list[asyncio.Task[None]] = []
        pinging = None
        if self.ping_interval:
            pinging = asyncio.get_running_loop().call_later(
                self.ping_interval, lambda: pings.append(asyncio.ensure_future(self._ping(send)))
            )
        self._left.add_done_callback(self._leave)
        try:
            await self._stream_response(send)
            if pings:  # one may be half sent
                await self._send_lock.acquire()
            self.active = False
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._left.remove_done_callback(self._leave)
            self.active = False
            if pinging is not None:
                pinging.cancel()
            for task in (self._work, self._left, *pings):
                await ended(task)

    def _leave(self, _: asyncio.Task[None]) -> None:
        """The client left: nobody wants the rest."""
        self._work.cancel()

    async def _stream_response(self, send: Send) -> None:
        """Takes the place of sse-starlette's loop: deltas come by themselves."""
        if self._ending is not None:
            self._ending.works(self._work)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writer = self._writer
        try:
            writer.open(send, self._exchange)
            await writer.finish(await self._last())
        except SlowClient:
            assert self._exchange is not None, "nobody else is found slow"
            logger.warning("a client reads too slowly: its request is cancelled and its connection dropped")
            self._exchange.drop()
            await self._exchange.writable()  # until the drop is through
        finally:
            await writer.close()

    async def _last(self) -> bytes:
        """Waits for the end of the work. What goes last: the frames of an error, or nothing."""
        await asyncio.wait((self._work,))
        try:
            self._work.result()
        except asyncio.CancelledError:
            if self._ending is not None and self._ending.stopped:
                return self._error(self._ending.error())
            if self._left.done():
                return b""
            raise
        except SlowClient:
            raise
        except GatewayError as error:
            logger.warning("stream failed: %s", error.message)
            return self._error(error)
        except Exception:
            logger.exception("stream failed")
            return self._error(GatewayError("Internal error; the gateway's log has it under this request id."))
        return b""


async def ended(work: asyncio.Task[None]) -> None:
    """Ends work that may still run."""
    if not work.done():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    outcome = None if work.cancelled() else work.exception()
    # The task holds the error, whose traceback holds frames that hold the task. One that is a bug keeps it for the log.
    error: BaseException | None = outcome if isinstance(outcome, GatewayError) else None
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
