"""A connection on a socket: what arrives goes into ``Connection``, what it has to say goes out, in one write a turn.

It knows asyncio and the options of a socket. It must not know who makes links, nor what calls are about.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import cast

from gateway.triton.h2.connection import Connection
from gateway.triton.h2.keepalive import TICK_SECONDS, Keepalive
from gateway.triton.h2.limits import Limits
from gateway.triton.h2.stream import Stream

# A host that vanished is found by the kernel: probes while nothing is said, and a bound on what stays unanswered.
_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 20),  # seconds
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 20_000),  # milliseconds
]


class Link(asyncio.Protocol):
    """One connection to a server."""

    def __init__(
        self, waiting: deque[asyncio.Future[None]], *, limits: Limits | None = None, tick_seconds: float = TICK_SECONDS
    ) -> None:
        """``waiting``: whoever waits for room on any link; the first is woken when a call on this one ends."""
        self.connection = Connection(limits)
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._tick_seconds = tick_seconds
        self._keepalive = Keepalive()
        self._spoke = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def room(self) -> int:
        """How many more calls it takes now."""
        return self.connection.room if self._transport is not None else 0

    def open(self, headers: bytes, body: bytes, on_news: Callable[[], None]) -> Stream:
        """A call; to be asked only where there is room. ``on_news`` is called after a turn that brought something."""
        stream = self.connection.open(headers, body, on_news)
        self._flush()
        return stream

    def take(self, stream: Stream) -> list[bytes]:
        """The messages that arrived for a call since the last time; the server hears that it may send more."""
        messages = self.connection.take(stream)
        self._flush()
        return messages

    def cancel(self, stream: Stream) -> None:
        self.connection.cancel(stream)
        self._flush()
        self._changed()

    def close(self) -> None:
        """Says goodbye, as far as that goes without waiting."""
        self.connection.close()
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends it without a word; nothing happens where it has ended."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for level, name, value in _SOCKET_OPTIONS:
                    if hasattr(socket, name):
                        raw.setsockopt(level, getattr(socket, name), value)
        self._timer = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)
        self._flush()

    def data_received(self, data: bytes) -> None:
        connection = self.connection
        news = connection.receive(data)
        if connection.out:
            self._flush()
        for stream in news:
            stream.on_news()
        if news:
            self._spoke = True
            if self._waiting:
                self._changed()
        if not self.greeted.done() and connection.greeted:
            self.greeted.set_result(None)
        if connection.lost is not None:
            self._changed()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._failed(str(exc) if exc else "the server closed the connection")
        if not self.gone.done():
            self.gone.set_result(None)
        self._changed()

    def _failed(self, reason: str) -> None:
        for stream in self.connection.disconnected(reason):
            stream.on_news()

    def _tick(self) -> None:
        connection = self.connection
        connection.tick()
        spoke, self._spoke = self._spoke, False
        verdict = self._keepalive.tick(spoke=spoke, calls=len(connection.streams), answered=connection.pings_answered)
        if verdict is None:
            self._failed("the server does not answer pings")
            self.abort()
            return
        if verdict:
            connection.ping()
            self._flush()
        self._timer = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)

    def _flush(self) -> None:
        """Sends what the connection has to say."""
        out = self.connection.out
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(bytes(out))
        out.clear()

    def _changed(self) -> None:
        """A call ended, or all: the next in line looks for room, and a link that is of no use any more closes."""
        connection = self.connection
        if connection.lost is not None and not connection.streams and self._transport is not None:
            self._transport.close()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
