"""Frames of deltas to one client, without making whoever reads the engine wait for a slow one.

While the client reads as fast as the answer comes, each delta is a write, in the turn in which its token came. Once it
does not, deltas are merged and wait, up to a bound, and are sent when there is room again; the engine is read on
meanwhile. It knows ASGI's ``send`` and whether the connection is full. It must not know what frames look like.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Send

from gateway.core.merge import Backlog
from gateway.core.types import Delta
from gateway.http.connection import CHUNK, Exchange


class SlowClient(Exception):
    """More waits for the client than may."""


class Writer:
    """One stream. Deltas may be written from the beginning; they are sent from ``open`` on. Then ``finish``; ``close``
    in any case."""

    def __init__(self, encode: Callable[[Delta], bytes]) -> None:
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # the first delta is there
        self._encode = encode
        self._backlog = Backlog()
        self._exchange: Exchange | None = None
        self._direct: Exchange | None = None  # the short way, while nothing waits
        self._send: Send | None = None
        self._catching_up: asyncio.Task[None] | None = None  # while deltas wait

    def write(self, delta: Delta) -> None:
        """Sends the delta, or keeps it. SlowClient where too much waits."""
        exchange = self._direct
        if exchange is not None and not exchange.flow.write_paused:
            frames = self._encode(delta)
            transport = exchange.transport
            if frames and not transport.is_closing():  # as ``exchange.write`` does, with a call less for each token
                transport.write(CHUNK % (len(frames), frames))
            return
        self._backlog.push(delta)
        if self._send is None:
            if not self.begun.done():
                self.begun.set_result(None)
            return
        if self._catching_up is None:
            self._direct = None
            self._catching_up = asyncio.ensure_future(self._catch_up(self._send))
        elif self._catching_up.done():
            self._catching_up.result()  # it ended by an error only
        if self._exchange is not None and self._backlog.bytes > self._exchange.backlog_bytes:
            raise SlowClient

    def open(self, send: Send, exchange: Exchange | None) -> None:
        """The head of the response was sent: from now on deltas are too. Without an exchange, as under another server,
        each waits for the client."""
        self._send, self._exchange = send, exchange
        if exchange is None or exchange.flow.write_paused:
            self._catching_up = asyncio.ensure_future(self._catch_up(send))
            return
        frames = self._waiting()
        if frames:
            exchange.write(frames)
        self._direct = exchange

    async def finish(self, last: bytes) -> None:
        """Waits until the client has taken what waits, and sends what goes last."""
        if self._catching_up is not None:
            await self._catching_up
        if last and self._send is not None:
            await self._send({"type": "http.response.body", "body": last, "more_body": True})

    async def close(self) -> None:
        """Forgets what waits."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)

    def _waiting(self) -> bytes:
        return b"".join(map(self._encode, self._backlog.take()))

    async def _catch_up(self, send: Send) -> None:
        exchange = self._exchange
        while self._backlog:
            if exchange is not None:
                await exchange.writable()
            frames = self._waiting()
            if frames:
                await send({"type": "http.response.body", "body": frames, "more_body": True})
        self._direct = exchange
        self._catching_up = None
