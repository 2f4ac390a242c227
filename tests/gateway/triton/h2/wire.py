"""A server of which a test says every byte: it greets, keeps what it is told, and leaves the rest to the test."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.triton.h2 import frames
from gateway.triton.h2.frames import PREFACE, Frame, FrameReader
from tests.gateway.triton.h2.peer import greeting


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(2**20)
        self._read: list[Frame] = []

    async def frame(self, kind: int) -> Frame:
        """The next frame of that type; others before it are passed over."""
        while True:
            while self._read:
                found = self._read.pop(0)
                if found[0] == kind:
                    return found
            data = await asyncio.wait_for(self._reader.read(65536), 10)
            if not data:
                raise EOFError
            self._read += self._frames.push(data)

    async def request(self) -> int:
        """The next call, completely; its stream."""
        while True:
            _, flags, stream, _ = await self.frame(frames.DATA)
            if flags & frames.END_STREAM:
                return stream

    def say(self, *data: bytes) -> None:
        """In one write."""
        self._writer.write(b"".join(data))

    def close(self) -> None:
        self._writer.close()


@dataclass
class Wire:
    address: str
    connections: list[Peer] = field(default_factory=list)


@contextlib.asynccontextmanager
async def wire(
    behave: Callable[[Peer, int], Awaitable[None]],
    *,
    greet: bool = True,
    settings: Sequence[tuple[int, int]] = (),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Wire]:
    """``behave`` is run for each connection, with its number. It is closed when the test ends."""
    tasks: set[asyncio.Task[None]] = set()
    served = Wire("")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        served.connections.append(peer)
        with contextlib.suppress(EOFError, ConnectionError, asyncio.CancelledError):
            if greet:
                assert await reader.readexactly(len(PREFACE)) == PREFACE
                peer.say(greeting(*settings))
            await behave(peer, len(served.connections) - 1)
            await reader.read()  # until the client leaves
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(connected(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    served.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert not isinstance(outcome, Exception), outcome
