"""What a server says on an HTTP/2 connection, frame by frame, and a connection that has been said some of it."""

from __future__ import annotations

from collections.abc import Sequence

import hpack

from gateway.triton.h2 import frames
from gateway.triton.h2.connection import Connection
from gateway.triton.h2.frames import FrameReader
from gateway.triton.h2.grpc_messages import framed
from gateway.triton.h2.headers import header_block
from gateway.triton.h2.limits import Limits
from gateway.triton.h2.stream import Stream

ANSWER = ((":status", "200"), ("content-type", "application/grpc"))
REQUEST = header_block([(":method", "POST"), (":path", "/p")])


def greeting(*settings: tuple[int, int]) -> bytes:
    return frames.settings(settings) + frames.frame(frames.SETTINGS, frames.ACK, 0)


def headers(id: int, *pairs: tuple[str, str], end: bool = False, table: hpack.Encoder | None = None) -> bytes:
    """``table``: packed with references and Huffman codes, as servers do."""
    block = header_block(pairs) if table is None else bytes(table.encode(list(pairs)))
    return frames.frame(frames.HEADERS, frames.END_HEADERS | (frames.END_STREAM if end else 0), id, block)


def answer(id: int) -> bytes:
    return headers(id, *ANSWER)


def message(id: int, content: bytes, *, end: bool = False) -> bytes:
    return frames.frame(frames.DATA, frames.END_STREAM if end else 0, id, framed(content))


def trailers(id: int, status: int = 0, text: str | None = None) -> bytes:
    pairs = [("grpc-status", str(status))] + ([] if text is None else [("grpc-message", text)])
    return headers(id, *pairs, end=True)


def sent(connection: Connection) -> list[frames.Frame]:
    """The frames that the connection has to send, and no longer has then."""
    data = bytes(connection.out).removeprefix(frames.PREFACE)
    connection.out.clear()
    return list(FrameReader(2**24).push(data))


def kinds(found: Sequence[frames.Frame]) -> list[int]:
    return [kind for kind, _, _, _ in found]


def opened(count: int = 1, *, limits: Limits | None = None, body: bytes = b"") -> tuple[Connection, list[Stream]]:
    """A greeted connection with calls on it, and nothing left to send."""
    connection = Connection(limits)
    assert connection.receive(greeting()) == []
    streams = [connection.open(REQUEST, body, lambda: None) for _ in range(count)]
    sent(connection)
    return connection, streams
