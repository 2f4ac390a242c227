"""A client's HTTP/2 connection for gRPC (RFC 9113), without I/O: bytes in, streams with news and bytes to send out.

It keeps what the peer may and must do: settings, windows, pings, the end of the connection. Every stream is one call
whose request is sent whole. Nothing of the peer is trusted: what breaks the protocol, or costs without bringing
anything, ends the connection and all that is open on it.

It must not know sockets, clocks, or what a message says.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.triton.h2 import frames
from gateway.triton.h2.frames import Code, FrameReader, ProtocolError
from gateway.triton.h2.grpc_messages import End, end_of_reset
from gateway.triton.h2.headers import HeaderReader
from gateway.triton.h2.limits import Limits, Patience
from gateway.triton.h2.sending import Sender
from gateway.triton.h2.stream import Stream
from gateway.triton.h2.streams import Streams
from gateway.triton.h2.whole import take_whole
from gateway.triton.status import Status

BEFORE_SETTINGS = 100  # calls, while the peer has not said how many it takes


class Connection:
    """One connection, from its first byte. ``out`` is what has to be sent: the driver sends it and clears it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.lost: str | None = None  # why no more calls are taken, in words
        self.most_streams = BEFORE_SETTINGS
        self.pings_answered = 0
        self._reader = FrameReader(self.limits.frame)
        self._headers = HeaderReader(self.limits.header_list, self.limits.header_frames)
        self._headers_ended = False  # the stream ends with the header block that is being read
        self._sender = Sender()
        self._streams = Streams(self.limits, self._sender)
        self.streams = self._streams.open
        self._greeted = False
        self._closed = False
        self._patience = Patience(self.limits.chatter)
        self._window = self.limits.connection_window
        self._low = self._window // 2  # of the window, from where on the peer is given more
        self._largest = min(self.limits.frame, self.limits.message)
        self.out = self._sender.out
        self.out += frames.PREFACE
        self.out += frames.settings(
            [
                (frames.ENABLE_PUSH, 0),
                (frames.INITIAL_WINDOW_SIZE, self.limits.stream_window),
                (frames.MAX_FRAME_SIZE, self.limits.frame),
                (frames.MAX_HEADER_LIST_SIZE, self.limits.header_list),
            ]
        )
        self.out += frames.window_update(0, self.limits.connection_window - frames.DEFAULT_WINDOW)

    @property
    def room(self) -> int:
        """How many more calls it takes now."""
        if self.lost is not None or self._streams.spent:
            return 0
        return max(0, self.most_streams - len(self.streams))

    @property
    def greeted(self) -> bool:
        """Whether the peer is known to speak HTTP/2."""
        return self._greeted

    def open(self, headers: bytes, body: bytes, on_news: Callable[[], None]) -> Stream:
        """A call, with its whole request: header block and content. To be asked only where there is room."""
        self._patience.asked()
        return self._streams.begin(headers, body, on_news)

    def take(self, stream: Stream) -> list[bytes]:
        """The messages that arrived for a call since the last time, which lets the peer send more."""
        messages, stream.messages = stream.messages, []
        if messages:
            self._streams.credit(stream)
        return messages

    def cancel(self, stream: Stream) -> None:
        """Ends a call from our side; nothing is sent where it is over."""
        if stream.end is None:
            stream.end = End(Status.CANCELLED, "cancelled here")
            self._streams.drop(stream, Code.CANCEL)

    def ping(self) -> None:
        """Asks for a sign of life, counted in ``pings_answered``."""
        self.out += frames.frame(frames.PING, 0, 0, bytes(8))

    def tick(self) -> None:
        """Some seconds have passed, in which a peer may chatter a little."""
        self._patience.tick(len(self.streams))

    def close(self) -> None:
        """No more calls. Those that are open end as cancelled."""
        for stream in list(self.streams.values()):
            self.cancel(stream)
        if not self._closed:
            self.out += frames.goaway(0, Code.NO_ERROR)
        self._closed = True
        self.lost = self.lost or "the connection was closed here"

    def disconnected(self, reason: str) -> list[Stream]:
        """The bytes ended. The streams that this leaves without an end of their own."""
        self._closed = True
        self.lost = self.lost or reason
        return self._streams.fail(reason, after=0, processed=True)

    def receive(self, data: bytes) -> list[Stream]:
        """Takes what arrived. The streams that have messages or an end now, each once."""
        if self._closed:
            return []
        news: dict[Stream, None] = {}
        try:
            if self._reader.rest:
                data = self._reader.join(data)
            at: int | None = 0
            while data and at is not None:
                if self._headers.stream is None and self._greeted:
                    at, count, used = take_whole(data, at, self.streams, self._window, self._largest, news)
                    self._window -= used
                    if self._window <= self._low:
                        self._widen()
                    if count and self._patience.borne > 0:
                        self._patience.useful(count)
                    if at == len(data):
                        break
                frame, at = self._reader.next(data, at)
                if frame is not None:
                    self._on_frame(*frame, news)
        except ProtocolError as exc:
            self.lost = f"the server broke HTTP/2 ({exc.reason})"
            if not self._greeted:
                self.lost = "the server does not speak HTTP/2 on this port"
            self.out += frames.goaway(0, exc.code, exc.reason)
            self._closed = True
            news.update(dict.fromkeys(self._streams.fail(self.lost, after=0, processed=True)))
        return list(news)

    # What the peer sends. ``news`` collects the streams that it changed.

    def _on_frame(self, kind: int, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        if not self._greeted:
            self._greet(kind, flags, id)
        inside = self._headers.stream
        if inside is not None and (kind != frames.CONTINUATION or id != inside):
            raise ProtocolError(Code.PROTOCOL_ERROR, "a frame in the middle of a header block")
        handler = _HANDLERS.get(kind)
        if handler is None:
            self._patience.useless()  # types that nobody knows are ignored
        else:
            handler(self, flags, id, payload, news)

    def _widen(self) -> None:
        """Gives the peer back what it has used of the connection's window."""
        debt = self.limits.connection_window - self._window
        self.out += frames.window_update(0, debt)
        self._window += debt

    def _greet(self, kind: int, flags: int, id: int) -> None:
        if kind != frames.SETTINGS or flags & frames.ACK or id:
            raise ProtocolError(Code.PROTOCOL_ERROR, "no SETTINGS at the beginning")
        self._greeted = True
        self.most_streams = frames.MAX_WINDOW  # unless it says otherwise

    def _on_data(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        size = len(payload)
        if size > self._window:
            raise ProtocolError(Code.FLOW_CONTROL_ERROR, "more data than the connection's window allows")
        self._window -= size
        if self._window <= self._low:
            self._widen()
        if flags & frames.PADDED:
            payload = frames.content(frames.PADDED, payload)
        ended = flags & frames.END_STREAM != 0
        stream = self.streams.get(id)
        if stream is None:
            self._streams.ended_before(id, size)
            return
        if payload or ended:
            self._patience.useful()
        else:
            self._patience.useless()
        stream.data(payload, size, ended)
        news[stream] = None
        if stream.end is not None:
            self._streams.drop(stream, None if ended and not stream.body else Code.CANCEL)
        else:
            self._streams.credit(stream)

    def _on_headers(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        if id not in self.streams:
            self._streams.ended_before(id)
        self._headers_ended = flags & frames.END_STREAM != 0
        part = frames.content(flags & (frames.PADDED | frames.PRIORITIZED), payload)
        self._block(flags, id, part, news)

    def _on_continuation(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        if self._headers.stream is None:
            raise ProtocolError(Code.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        self._block(flags, id, payload, news)

    def _block(self, flags: int, id: int, part: bytes, news: dict[Stream, None]) -> None:
        headers = self._headers.push(id, part, flags & frames.END_HEADERS != 0)
        if headers is None:
            return
        stream = self.streams.get(id)
        if stream is None:
            self._patience.useless()
            return
        stream.headers(headers, self._headers_ended)
        if stream.end is not None:
            news[stream] = None
            self._streams.drop(stream, None if self._headers_ended and not stream.body else Code.CANCEL)
        elif not stream.begun:
            self._patience.useless()  # informational headers may come again and again

    def _on_rst_stream(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        code = frames.read_word(payload, "RST_STREAM")
        stream = self.streams.get(id)
        if stream is None:
            self._streams.ended_before(id)
            self._patience.useless()
            return
        stream.end = end_of_reset(code)
        self._streams.drop(stream, None)
        news[stream] = None

    def _on_settings(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        if id or (flags & frames.ACK and payload):
            raise ProtocolError(Code.PROTOCOL_ERROR, "SETTINGS of a stream, or an answer to them with settings")
        self._patience.useless()
        if flags & frames.ACK:
            return
        if len(payload) > self.limits.settings * 6:
            raise ProtocolError(Code.ENHANCE_YOUR_CALM, "too many settings")
        for setting, value in frames.read_settings(payload):
            if setting == frames.MAX_CONCURRENT_STREAMS:
                self.most_streams = value
            elif setting == frames.INITIAL_WINDOW_SIZE:
                self._sender.set_initial_window(value, self.streams.values())
            elif setting == frames.MAX_FRAME_SIZE:
                self._sender.set_largest_frame(value)
        self.out += frames.frame(frames.SETTINGS, frames.ACK, 0)

    def _on_ping(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        if id or len(payload) != 8:
            raise ProtocolError(Code.FRAME_SIZE_ERROR if not id else Code.PROTOCOL_ERROR, "a PING that is none")
        self._patience.useless()
        if flags & frames.ACK:
            self.pings_answered += 1
        else:
            self.out += frames.frame(frames.PING, frames.ACK, 0, payload)

    def _on_goaway(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        if id:
            raise ProtocolError(Code.PROTOCOL_ERROR, "GOAWAY of a stream")
        self._patience.useless()
        last, code, _ = frames.read_goaway(payload)
        reason = f"the server is going away ({frames.code_name(code)})"
        self.lost = self.lost or reason
        news.update(dict.fromkeys(self._streams.fail(reason, after=last, processed=False)))

    def _on_window_update(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        increment = frames.read_word(payload, "WINDOW_UPDATE") & frames.MAX_WINDOW
        if not increment:
            raise ProtocolError(Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
        self._patience.useless()
        stream = self.streams.get(id)
        if not id:
            self._sender.window_opened(increment)
        elif stream is not None:
            self._sender.stream_window_opened(stream, increment)
        else:
            self._streams.ended_before(id)

    def _on_priority(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        self._patience.useless()

    def _on_push_promise(self, flags: int, id: int, payload: bytes, news: dict[Stream, None]) -> None:
        raise ProtocolError(Code.PROTOCOL_ERROR, "a push, though none is allowed")


_HANDLERS: dict[int, Callable[[Connection, int, int, bytes, dict[Stream, None]], None]] = {
    frames.DATA: Connection._on_data,
    frames.HEADERS: Connection._on_headers,
    frames.PRIORITY: Connection._on_priority,
    frames.RST_STREAM: Connection._on_rst_stream,
    frames.SETTINGS: Connection._on_settings,
    frames.PUSH_PROMISE: Connection._on_push_promise,
    frames.PING: Connection._on_ping,
    frames.GOAWAY: Connection._on_goaway,
    frames.WINDOW_UPDATE: Connection._on_window_update,
    frames.CONTINUATION: Connection._on_continuation,
}
