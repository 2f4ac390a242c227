"""A client that costs little for each chunk: asyncio's protocol on a socket, no client library.

It knows how to send an ``Ask`` and fills a ``Seen``. It must not know scenarios. Connections are used again, as those
of a real client are, unless the client left or was slow.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from loadtest.ask import Ask, Seen
from loadtest.reply import BrokenReply, Reply

TEXT = b'"content":"'  # of a chat's frame
_NO_TEXT = b'"content":""'
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 1.0  # well before the server closes it: a request must not meet that close
_now = time.monotonic  # uvloop's own clock counts in milliseconds
_SMALL_BUFFER = 4096  # of a slow reader's socket, so that what it does not read waits at the server


@dataclass(slots=True)
class Tally:
    """What is going on, for who looks while the load runs."""

    begun: int = 0  # answers with text
    frames: int = 0  # with text
    ended: int = 0  # answers, however they ended


class Client:
    """All clients of one server. Close it when the last answer is there."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None, tally: Tally | None = None) -> None:
        self.tally = tally or Tally()
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._netloc = address.netloc
        self._tls = tls
        self._idle: deque[tuple[float, _Connection]] = deque()  # since when, and what
        self._busy: set[_Connection] = set()

    async def ask(self, ask: Ask) -> Seen:
        """Never raises for what the server does: that is in ``Seen.error``."""
        seen = Seen(ask, sent=_now())
        try:
            connection = await self._connection(ask)
        except (OSError, asyncio.TimeoutError) as exc:
            seen.error, seen.ended = f"refused: {exc}", _now()
            self.tally.ended += 1
            return seen
        seen.sent = _now()
        self._busy.add(connection)
        try:
            await connection.exchange(self._request(ask), seen)
        finally:
            self._busy.discard(connection)
            self.tally.ended += 1
        if connection.reusable:
            self._idle.append((seen.ended, connection))
        else:
            connection.abort()
        return seen

    def leave(self) -> None:
        """All who wait for an answer are gone, as if each had been told to leave now."""
        for connection in list(self._busy):
            connection.leave()

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].abort()

    async def _connection(self, ask: Ask) -> _Connection:
        loop = asyncio.get_running_loop()
        while self._idle and ask.read_bytes is None:
            since, connection = self._idle.pop()
            if connection.reusable and _now() - since < _IDLE_SECONDS:
                return connection
            connection.abort()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if ask.read_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (self._host, self._port)), _CONNECT_SECONDS)
            _, connection = await loop.create_connection(
                lambda: _Connection(ask.read_bytes, self.tally),
                sock=sock,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except BaseException:
            sock.close()
            raise
        return connection

    def _request(self, ask: Ask) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in ask.headers)
        head = f"POST {ask.path} HTTP/1.1\r\nhost: {self._netloc}\r\ncontent-type: application/json\r\n"
        return f"{head}{more}content-length: {len(ask.body)}\r\n\r\n".encode() + ask.body


class _Connection(asyncio.BufferedProtocol):
    """One socket and at most one exchange on it."""

    def __init__(self, read_bytes: int | None, tally: Tally) -> None:
        self._tally = tally
        self._view = memoryview(bytearray(read_bytes or 65536))
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reply = Reply()
        self._seen: Seen | None = None
        self._over: asyncio.Future[None] | None = None
        self._last = 0.0
        self.reusable = False

    async def exchange(self, request: bytes, seen: Seen) -> None:
        assert self._transport is not None
        ask = seen.ask
        self._reply, self._seen, self._over = Reply(), seen, self._loop.create_future()
        self.reusable = False
        timers = [self._loop.call_later(ask.timeout, self._end, "timeout: no end of the answer")]
        if ask.leave_after is not None:
            timers.append(self._loop.call_later(ask.leave_after, self.leave))
        self._transport.write(request)
        try:
            await self._over
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            for timer in timers:
                timer.cancel()
            seen.ended = _now()
            seen.status, seen.headers = self._reply.status, self._reply.headers
            seen.whole = self._reply.complete
            if self._reply.error:
                seen.error = self._reply.error.decode("utf-8", "replace")
            self._seen = None

    def leave(self) -> None:
        if self._seen is not None and self._seen.left_at is None and not self._reply.complete:
            self._seen.left_at = time.time()
            self.abort()
            self._end("")

    def abort(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._reply.closed()
        self._end("" if self._reply.complete else f"cut: {exc or 'the server closed the connection'}")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        seen = self._seen
        if seen is None:
            return
        seen.bytes += nbytes
        try:
            frames = self._reply.push(self._view[:nbytes])
        except BrokenReply as exc:
            self._end(f"broken: {exc}")
            self.abort()
            return
        if frames:
            self._note(seen, frames)
        if self._reply.complete:
            self.reusable = seen.ask.read_bytes is None
            self._end("")
        elif seen.ask.leave_after_frames is not None and seen.frames >= seen.ask.leave_after_frames:
            self.leave()
        elif seen.ask.read_bytes is not None and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(seen.ask.read_every, self._read_on)

    def _note(self, seen: Seen, frames: list[bytes]) -> None:
        now = _now()
        for frame in frames:
            at = frame.find(TEXT)
            if at < 0 or frame.startswith(_NO_TEXT, at):
                continue
            seen.frames += 1
            self._tally.frames += 1
            if seen.first is None:
                seen.first = now
                self._tally.begun += 1
            else:
                seen.gaps.append(now - self._last)
            self._last = now
            if seen.ask.keep_text:
                start = at + len(TEXT)
                seen.text += frame[start : frame.find(b'"', start)].decode("utf-8", "replace")

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _end(self, error: str) -> None:
        if self._over is None or self._over.done():
            return
        if self._seen is not None and error:
            self._seen.error = error
        self._over.set_result(None)
