"""Header blocks (HPACK, RFC 7541). It knows how headers are packed; it must not know what a header means.

Ours are written as literals that enter no table: a block is then the same bytes for every request and can be kept.
The peer's use its table, Huffman codes and integers of any length, which the hpack package reads.
"""

from __future__ import annotations

from collections.abc import Iterable

import hpack

from gateway.triton.h2.frames import Code, ProtocolError

Headers = list[tuple[bytes, bytes]]


class HeaderReader:
    """The peer's header blocks of one connection, in their order: each changes the table that the next refers to.

    A block may be spread over frames, with nothing of the connection in between.
    """

    __slots__ = ("_block", "_count", "_decoder", "_frames", "_largest", "stream")

    def __init__(self, largest: int, count: int) -> None:
        """``largest``: bytes of a header list, unpacked, as HTTP/2 counts them. ``count``: frames of one block."""
        self._decoder = hpack.Decoder(max_header_list_size=largest)
        self._largest = largest
        self._count = count
        self._block = bytearray()
        self._frames = 0
        self.stream: int | None = None  # whose block is not complete

    def push(self, stream: int, part: bytes, complete: bool) -> Headers | None:
        """The next part of a block; its headers, once it is complete."""
        self._frames += 1
        if self._frames > self._count or len(self._block) + len(part) > self._largest:
            raise ProtocolError(Code.ENHANCE_YOUR_CALM, "a header block that is too large")
        self._block += part
        self.stream = None if complete else stream
        if not complete:
            return None
        block = bytes(self._block)
        self._block.clear()
        self._frames = 0
        return self._read(block)

    def _read(self, block: bytes) -> Headers:
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except hpack.OversizedHeaderListError as exc:
            raise ProtocolError(Code.ENHANCE_YOUR_CALM, "a header list that is too large") from exc
        except (hpack.HPACKError, IndexError) as exc:  # an empty table is indexed without a check
            raise ProtocolError(Code.COMPRESSION_ERROR, "a header block that cannot be read") from exc


def header_block(headers: Iterable[tuple[str, str]]) -> bytes:
    """Names in lower case, and values."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)


def _string(text: str) -> bytes:
    data = text.encode()
    size = len(data)
    if size < 127:
        return bytes((size,)) + data
    length, size = bytearray((127,)), size - 127
    while size >= 128:
        length.append(size & 127 | 128)
        size >>= 7
    length.append(size)
    return bytes(length) + data
