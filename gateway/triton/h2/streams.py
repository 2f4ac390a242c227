"""The streams of a connection: opened in their order, forgotten when they are over, and what may still come for those.

It knows streams and their windows. It must not know which frame says what.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.triton.h2 import frames
from gateway.triton.h2.frames import Code, ProtocolError
from gateway.triton.h2.grpc_messages import End
from gateway.triton.h2.limits import Limits
from gateway.triton.h2.sending import Sender
from gateway.triton.h2.stream import Stream
from gateway.triton.status import Status


class Streams:
    """``open``: those that are not over, by their ids. What has to be sent goes out with the sender's."""

    __slots__ = ("_late", "_limits", "_next", "_sender", "open")

    def __init__(self, limits: Limits, sender: Sender) -> None:
        self.open: dict[int, Stream] = {}
        self._limits = limits
        self._sender = sender
        self._next = 1
        self._late = 0  # bytes that may still come for streams that we ended

    @property
    def spent(self) -> bool:
        """Whether no ids are left."""
        return self._next > frames.MAX_WINDOW

    def begin(self, headers: bytes, body: bytes, on_news: Callable[[], None]) -> Stream:
        """A new one, with its whole request: header block and content."""
        stream = Stream(
            self._next,
            body,
            on_news,
            send_window=self._sender.initial_window,
            window=self._limits.stream_window,
            largest_message=self._limits.message,
        )
        self._next += 2
        self.open[stream.id] = stream
        self._sender.begin(stream, headers)
        return stream

    def drop(self, stream: Stream, code: Code | None) -> None:
        """Forgets one that has an end; ``code``: what the peer is told, where it does not know."""
        self.open.pop(stream.id, None)
        self._sender.forget(stream)
        if code is not None:
            self._late += stream.window
            self._sender.out += frames.rst_stream(stream.id, code)

    def fail(self, reason: str, *, after: int, processed: bool) -> list[Stream]:
        """Ends those with ids past ``after``. ``processed``: whether the peer may have taken them up."""
        failed = [stream for id, stream in self.open.items() if id > after]
        for stream in failed:
            stream.end = End(Status.UNAVAILABLE, reason, processed)
            self.drop(stream, None)
        return failed

    def credit(self, stream: Stream) -> None:
        """Lets the peer send more, where that is worth a frame."""
        increment = stream.credit() if stream.end is None else 0
        if increment:
            self._sender.out += frames.window_update(stream.id, increment)

    def ended_before(self, id: int, size: int = 0) -> None:
        """One that is not there was there: the peer may not know yet that it is over, and ``size`` more bytes came."""
        self._late -= size
        if not id & 1 or id >= self._next:
            raise ProtocolError(Code.PROTOCOL_ERROR, f"a frame of stream {id}, which nobody opened")
        if self._late < 0:
            raise ProtocolError(Code.STREAM_CLOSED, "data of a stream that is over")
