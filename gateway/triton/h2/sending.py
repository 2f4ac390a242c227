"""Requests on their way out: as much of each as the peer's windows and its largest frame let through.

It knows what the peer allows. It must not know what the peer sends, nor sockets: bytes go to ``out``.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.triton.h2 import frames
from gateway.triton.h2.frames import Code, ProtocolError
from gateway.triton.h2.stream import Stream


class Sender:
    """The sending half of a connection."""

    __slots__ = ("_largest_frame", "_unsent", "_window", "initial_window", "out")

    def __init__(self) -> None:
        self.out = bytearray()
        self.initial_window = frames.DEFAULT_WINDOW  # of a stream
        self._window = frames.DEFAULT_WINDOW
        self._largest_frame = frames.DEFAULT_FRAME
        self._unsent: dict[int, Stream] = {}

    def begin(self, stream: Stream, headers: bytes) -> None:
        """A new request: its header block, and as much of its content as may be sent. Blocks larger than a frame go on
        in the next."""
        first, rest = headers[: self._largest_frame], headers[self._largest_frame :]
        self.out += frames.frame(frames.HEADERS, 0 if rest else frames.END_HEADERS, stream.id, first)
        while rest:
            part, rest = rest[: self._largest_frame], rest[self._largest_frame :]
            self.out += frames.frame(frames.CONTINUATION, 0 if rest else frames.END_HEADERS, stream.id, part)
        self._unsent[stream.id] = stream
        self._send(stream)

    def forget(self, stream: Stream) -> None:
        """What is not sent of it stays here."""
        self._unsent.pop(stream.id, None)

    def window_opened(self, increment: int) -> None:
        """The connection's window grew."""
        self._window += increment
        if self._window > frames.MAX_WINDOW:
            raise ProtocolError(Code.FLOW_CONTROL_ERROR, "a window that is too large")
        self.send_all()

    def stream_window_opened(self, stream: Stream, increment: int) -> None:
        stream.send_window += increment
        if stream.send_window > frames.MAX_WINDOW:
            raise ProtocolError(Code.FLOW_CONTROL_ERROR, "a stream's window that is too large")
        self._send(stream)

    def set_initial_window(self, value: int, streams: Iterable[Stream]) -> None:
        """The window of new streams; those that are open grow or shrink with it, below zero if need be."""
        if value > frames.MAX_WINDOW:
            raise ProtocolError(Code.FLOW_CONTROL_ERROR, "an initial window that is too large")
        for stream in streams:
            self.stream_window_opened(stream, value - self.initial_window)
        self.initial_window = value

    def set_largest_frame(self, value: int) -> None:
        if not frames.DEFAULT_FRAME <= value < 2**24:
            raise ProtocolError(Code.PROTOCOL_ERROR, "a frame size that HTTP/2 does not have")
        self._largest_frame = value

    def send_all(self) -> None:
        for stream in list(self._unsent.values()):
            self._send(stream)

    def _send(self, stream: Stream) -> None:
        while stream.id in self._unsent:
            size = min(len(stream.body), stream.send_window, self._window, self._largest_frame)
            if size <= 0 and stream.body:
                return
            size = max(size, 0)
            part, stream.body = stream.body[:size], stream.body[size:]
            stream.send_window -= size
            self._window -= size
            self.out += frames.frame(frames.DATA, 0 if stream.body else frames.END_STREAM, stream.id, bytes(part))
            if not stream.body:
                del self._unsent[stream.id]
