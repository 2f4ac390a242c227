"""One client's connection: uvicorn's HTTP/1.1 protocol with bounds for clients that are slow, endless or hostile.

It knows bytes, headers and a clock. It must not know what requests mean. uvicorn itself waits for ever for the end of
headers, of a body, and for a client to read, and takes any number of headers of any length.

One timer per connection looks at all of it, so that a request, and a chunk of an answer, cost nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from enum import Enum
from http import HTTPStatus
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.core.errors import RequestError
from gateway.core.reply.wire import dumps, error_body
from gateway.settings.edge import Edge

logger = logging.getLogger("gateway")

LOOKS = 8  # in the shortest of the times that are bounded
BODY_RATE = 64 * 1024  # bytes per second that the time for a body grows by
# What may wait in the kernel for a client that does not read, where megabytes would: then nothing could be merged, and
# a thousand slow clients would hold gigabytes. Throughput is not touched: what is on its way does not count.
UNSENT_BYTES = 32 * 1024
CHUNK = b"%x\r\n%b\r\n"  # of a body whose length nobody said before: the length of a part, and the part
TCP_NOTSENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Linux has it


class Phase(Enum):
    """What the connection waits for."""

    IDLE = "a request"  # uvicorn closes it after keep_alive_seconds
    HEAD = "headers"
    BODY = "body"
    ANSWER = "us"


class Refused(Exception):
    """Raised in a callback of the parser, which ends it."""


class Connection(HttpToolsProtocol):
    """A client's connection, as uvicorn makes one for each."""

    def __init__(self, *args: Any, edge: Edge, **more: Any) -> None:
        super().__init__(*args, **more)
        self.edge = edge
        self._phase = Phase.HEAD
        self._since = self.loop.time()
        self._head_bytes = 0
        self._body_bytes = 0
        self._unread = 0  # bytes that waited for the client at the last look
        self._moved = self._since  # when it last had read some
        self._refusal: RequestError | None = None
        self._period = min(edge.head_seconds, edge.body_seconds, edge.stall_seconds) / LOOKS
        self._timer: asyncio.TimerHandle | None = None

    def drop(self) -> None:
        """Ends the connection; what was written and not read is lost."""
        self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if TCP_NOTSENT_LOWAT is not None:
            with contextlib.suppress(OSError):  # a socket that is no TCP
                transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._timer = self.loop.call_later(self._period, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        # They hold this object, or what does: only a collection would find them, and hold up all streams meanwhile.
        self.cycle = self.scope = self.parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        begun = self._since
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        super().data_received(data)
        if self._phase is Phase.HEAD and self._since == begun:
            self._head_bytes += len(data)
            if self._head_bytes > self.edge.max_header_bytes and not self.transport.is_closing():
                self._refuse(self._too_long())

    # httptools' callbacks

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._enter(Phase.HEAD)

    def on_headers_complete(self) -> None:
        edge, headers = self.edge, self.headers
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in headers)
        if size > edge.max_header_bytes:
            self._refusal = self._too_long()
        elif len(headers) > edge.max_headers:
            self._refusal = _refusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The request has {len(headers)} headers; this server takes {edge.max_headers}.",
            )
        if self._refusal is not None:
            raise Refused
        self._enter(Phase.BODY)
        self._body_bytes = 0
        self.scope["state"]["exchange"] = Exchange(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._phase = Phase.ANSWER
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._phase = Phase.IDLE

    def on_response_complete(self) -> None:
        if self._phase is Phase.ANSWER:
            self._phase = Phase.IDLE
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what the parser refuses."""
        self._refuse(self._refusal or _refusal(HTTPStatus.BAD_REQUEST, "The request is not valid HTTP/1.1."))

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since, self._head_bytes = phase, self.loop.time(), 0

    def _too_long(self) -> RequestError:
        return _refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The URL and headers are longer than the {self.edge.max_header_bytes} bytes this server takes.",
        )

    def _look(self) -> None:
        self._timer = self.loop.call_later(self._period, self._look)
        now, edge = self.loop.time(), self.edge
        unread = self.transport.get_write_buffer_size()
        if unread < self._unread or not unread:
            self._moved = now
        self._unread = unread
        if now - self._moved > edge.stall_seconds:
            logger.warning("a client read nothing for %g s; its connection is dropped", edge.stall_seconds)
            self.drop()
        elif not self.transport.is_closing() and self._late(now):
            self._refuse(_refusal(HTTPStatus.REQUEST_TIMEOUT, f"The request's {self._phase.value} came too slowly."))

    def _late(self, now: float) -> bool:
        waited = now - self._since
        if self._phase is Phase.HEAD:
            return waited > self.edge.head_seconds
        return self._phase is Phase.BODY and waited > self.edge.body_seconds + self._body_bytes / BODY_RATE

    def _refuse(self, error: RequestError) -> None:
        """Says why, if nothing was said yet, and closes. The application hears that the client left."""
        cycle = self.cycle
        pending = cycle is not None and not cycle.response_complete
        if not (pending and cycle.response_started) and self.scope is not None:
            body = dumps(error_body(error)).encode()
            status = HTTPStatus(error.status)
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
        if pending:
            cycle.disconnected = True
            cycle.message_event.set()


class Exchange:
    """One request's way to its client, past ASGI's ``send``: for bodies of many small parts, once the head is sent."""

    __slots__ = ("_connection", "flow", "transport")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.transport = connection.transport
        self.flow = connection.flow  # ``write_paused``: the client has yet to read what was written

    @property
    def backlog_bytes(self) -> int:
        """What may wait for the client."""
        return self._connection.edge.backlog_bytes

    async def writable(self) -> None:
        """Returns when the client has read enough of it, or when the connection is lost."""
        await self.flow.drain()

    def write(self, part: bytes) -> None:
        """A part of a body whose length nobody said before: one chunk. Nothing happens where the client has left."""
        if not self.transport.is_closing():
            self.transport.write(CHUNK % (len(part), part))

    def drop(self) -> None:
        """Ends the connection; what was written and not read is lost."""
        self._connection.drop()


def exchange(scope: Scope) -> Exchange | None:
    """The way to the client of a request; None under another server."""
    found = scope.get("state", {}).get("exchange")
    return found if isinstance(found, Exchange) else None


def _refusal(status: HTTPStatus, message: str) -> RequestError:
    error = RequestError(message)
    error.status = status
    return error
