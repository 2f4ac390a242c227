"""Frames of deltas to one client, without making whoever reads the engine wait for a slow one.

While the client reads as fast as the answer comes, each delta is a write. Once it does not, deltas are merged and wait,
up to a bound, and are sent when there is room again; the engine is read on meanwhile. It knows ASGI's ``send`` and
whether the connection is full. It must not know what frames look like.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.types import Send

from gateway.core.merge import Backlog
from gateway.core.types import Delta
from gateway.http.connection import Connection


class SlowClient(Exception):
    """More waits for the client than may."""


class Writer:
    """One stream. ``write`` deltas, then ``finish``; ``close`` in any case."""

    def __init__(self, send: Send, encode: Callable[[Delta], bytes], connection: Connection | None) -> None:
        """Without a connection, as under another server, writing waits for the client."""
        self._send = send
        self._encode = encode
        self._connection = connection
        self._backlog = Backlog()
        self._catching_up: asyncio.Task[None] | None = None  # while deltas wait

    async def write(self, deltas: Sequence[Delta]) -> None:
        """Sends the deltas in one piece, or keeps them. SlowClient where that is too much."""
        connection = self._connection
        if self._catching_up is None:
            if connection is None or not connection.full:
                frames = self._encode(deltas[0]) if len(deltas) == 1 else b"".join(map(self._encode, deltas))
                if frames:
                    await self._send({"type": "http.response.body", "body": frames, "more_body": True})
                return
            self._catching_up = asyncio.ensure_future(self._catch_up(connection))
        elif self._catching_up.done():
            self._catching_up.result()  # it ended by an error only
        for delta in deltas:
            self._backlog.push(delta)
        if connection is not None and self._backlog.bytes > connection.edge.backlog_bytes:
            raise SlowClient

    async def finish(self, last: bytes) -> None:
        """Waits until the client has taken what waits, and sends what goes last."""
        if self._catching_up is not None:
            await self._catching_up
        if last:
            await self._send({"type": "http.response.body", "body": last, "more_body": True})

    async def close(self) -> None:
        """Forgets what waits."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)

    async def _catch_up(self, connection: Connection) -> None:
        while True:
            await connection.writable()
            frames = b"".join(map(self._encode, self._backlog.take()))
            if frames:
                await self._send({"type": "http.response.body", "body": frames, "more_body": True})
            if not self._backlog:
                break
        self._catching_up = None
