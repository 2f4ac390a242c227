"""As much of HTTP/2 and of gRPC's framing as a server of prepared answers needs.

It knows how frames are laid out. It shares nothing with the gateway's own reader, which is what is measured with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 4, 5
DEFAULT_WINDOW = 65_535
DEFAULT_FRAME = 16_384

_HEAD = Struct(">HBBBI")  # the length is three bytes: two and one
_SETTING = Struct(">HI")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 255, kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*each) for each in values.items()))


def read_settings(payload: bytes) -> dict[int, int]:
    return dict(_SETTING.iter_unpack(payload))


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def header_block(headers: dict[str, str]) -> bytes:
    """The same bytes are good on every connection: nothing of them enters the table of either side."""
    never = [hpack.NeverIndexedHeaderTuple(name, value) for name, value in headers.items()]
    return bytes(hpack.Encoder().encode(never, huffman=False))


def framed(message: bytes) -> bytes:
    """A message of gRPC, not compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Reader:
    """The frames of a client, after its preface: type, flags, stream, payload."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = len(PREFACE)

    def push(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        buffer = self._buffer
        buffer += data
        at = min(self._skip, len(buffer))
        self._skip -= at
        while len(buffer) - at >= 9:
            high, low, kind, flags, stream = _HEAD.unpack_from(buffer, at)
            end = at + 9 + (high << 8 | low)
            if len(buffer) < end:
                break
            yield kind, flags, stream, bytes(buffer[at + 9 : end])
            at = end
        del buffer[:at]
