"""HTTP/2 frames (RFC 9113, sections 4 and 6): bytes → frames over every split, and frames → bytes.

It knows how frames are laid out and which sizes they may have. It must not know what a frame does to a connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

# Flags. A bit means another thing in another type of frame.
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20

# Settings.
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)

DEFAULT_WINDOW = 65_535  # bytes, of a connection and of a stream, until they are said otherwise
DEFAULT_FRAME = 16_384  # bytes of payload
MAX_WINDOW = 2**31 - 1

# A frame: type, flags, id of its stream (0: the connection), payload. A plain tuple, because there is one per token.
Frame = tuple[int, int, int, bytes]

_HEAD = Struct(">HBBBI")
_WORD = Struct(">I")
_TWO_WORDS = Struct(">II")
_SETTING = Struct(">HI")
_STREAM_ID = 2**31 - 1  # the highest bit is reserved


class Code(IntEnum):
    """Why a stream or a connection ended."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


def code_name(code: int) -> str:
    """For people; a peer may send codes that nobody knows."""
    try:
        return Code(code).name
    except ValueError:
        return str(code)


class ProtocolError(Exception):
    """The peer broke HTTP/2: its connection cannot be used any more."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameReader:
    """Push what arrives, take the frames that are complete. It holds one incomplete frame at most."""

    __slots__ = ("_largest", "_needed", "rest")

    def __init__(self, largest: int = DEFAULT_FRAME) -> None:
        """``largest``: bytes of payload that a frame may have."""
        self._largest = largest
        self.rest = bytearray()  # of a frame that has begun
        self._needed = 0  # bytes without which nothing more can be said

    def push(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. To be read to its end, or to its ProtocolError, before the next push."""
        if self.rest:
            data = self.join(data)
        at: int | None = 0
        while data and at is not None:
            frame, at = self.next(data, at)
            if frame is not None:
                yield frame

    def join(self, data: bytes) -> bytes:
        """What is there to be read where something was held: that and this. Nothing, as long as the frame that is held
        is not complete."""
        self.rest += data
        if len(self.rest) < self._needed:
            return b""
        data = bytes(self.rest)
        self.rest.clear()
        return data

    def next(self, data: bytes, at: int) -> tuple[Frame | None, int | None]:
        """The frame that begins there, and where the next one does. Where it is not complete, it is held."""
        self._needed = 9
        if len(data) - at >= 9:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            size = high << 8 | low
            if size > self._largest:
                raise _too_large(kind, size)
            stop = at + 9 + size
            if stop <= len(data):
                return (kind, flags, stream & _STREAM_ID, data[at + 9 : stop]), stop
            self._needed = 9 + size
        self.rest += data[at:]
        return None, None


def _too_large(kind: int, size: int) -> ProtocolError:
    return ProtocolError(Code.FRAME_SIZE_ERROR, f"a frame of type {kind} with {size} bytes")


def content(flags: int, payload: bytes) -> bytes:
    """A DATA or HEADERS payload without its padding and its priority."""
    start, stop = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise ProtocolError(Code.FRAME_SIZE_ERROR, "a padded frame without a length of its padding")
        start, stop = 1, stop - payload[0]
    if flags & PRIORITIZED:
        start += 5
    if start > stop:
        raise ProtocolError(Code.PROTOCOL_ERROR, "more padding than payload")
    return payload[start:stop]


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """(setting, value) pairs in their order."""
    if len(payload) % _SETTING.size:
        raise ProtocolError(Code.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    return _SETTING.iter_unpack(payload)


def read_word(payload: bytes, name: str) -> int:
    """The one number of an RST_STREAM or WINDOW_UPDATE."""
    if len(payload) != 4:
        raise ProtocolError(Code.FRAME_SIZE_ERROR, f"{name} of {len(payload)} bytes")
    word: int = _WORD.unpack(payload)[0]
    return word


def read_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """The last stream that was handled, the error code, and words for people."""
    if len(payload) < 8:
        raise ProtocolError(Code.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
    last, code = _TWO_WORDS.unpack_from(payload)
    return last & _STREAM_ID, code, payload[8:]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def settings(values: Sequence[tuple[int, int]]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*value) for value in values))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, _WORD.pack(increment))


def rst_stream(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, _WORD.pack(code))


def goaway(last: int, code: int, reason: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, _TWO_WORDS.pack(last, code) + reason.encode())
