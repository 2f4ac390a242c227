"""Protobuf's wire format, read and written field by field. It knows wire types; it must not know any message.

Reading is as strict as the protobuf library about what is read, and skips the rest without looking into it.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, BEGIN_GROUP, END_GROUP, FIXED32 = range(6)

_DEEPEST = 100  # groups within groups; the library's limit
_LARGEST = 2**31 - 1


class WireError(ValueError):
    """Bytes that are no message."""


def fields(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: number, wire type, and where the value begins and ends; of a VARINT, the value and 0."""
    stop = len(data) if end is None else end
    while at < stop:
        tag = data[at]
        if tag < 128:
            at += 1
        else:
            tag, at = _tag(data, at, stop)
        wire = tag & 7
        if tag < 8 or wire == END_GROUP:
            raise WireError("a field that cannot be")
        if wire == LENGTH:
            start, at = _length(data, at, stop)
            yield tag >> 3, wire, start, at
        elif wire == VARINT:
            value, at = varint(data, at, stop)
            yield tag >> 3, wire, value, 0
        else:
            start, at = at, _skip(data, at, stop, tag, 0)
            yield tag >> 3, wire, start, at


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned 64-bit number, and where it ends."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift == 70:
            raise WireError("a number that is too long")
    raise WireError("a number that is cut off")


def signed(value: int, bits: int = 64) -> int:
    """The number that protobuf writes as that unsigned one: in two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def numbers(data: bytes, wire: int, start: int, end: int) -> Iterator[int]:
    """The signed numbers of one field of a repeated int64: packed or alone."""
    if wire == VARINT:
        yield signed(start)
    while wire == LENGTH and start < end:
        value, start = varint(data, start, end)
        yield signed(value)


def text(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode("utf-8")
    except UnicodeDecodeError as exc:
        raise WireError("text that is not UTF-8") from exc


def _tag(data: bytes, at: int, end: int) -> tuple[int, int]:
    tag, after = varint(data, at, end)
    if after - at > 5 or tag > 0xFFFF_FFFF:
        raise WireError("a field number that is too large")
    return tag, after


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where a value with its length in front begins and ends."""
    size, start = varint(data, at, end)
    if size > _LARGEST or start + size > end:
        raise WireError("a value that is cut off")
    return start, start + size


def _skip(data: bytes, at: int, end: int, tag: int, depth: int) -> int:
    """Where a value ends."""
    wire = tag & 7
    if wire == VARINT:
        return varint(data, at, end)[1]
    if wire == LENGTH:
        return _length(data, at, end)[1]
    if wire in (FIXED32, FIXED64):
        at += 4 if wire == FIXED32 else 8
        if at > end:
            raise WireError("a value that is cut off")
        return at
    if wire != BEGIN_GROUP or depth == _DEEPEST:
        raise WireError("a value of no type, or groups too deep")
    while True:
        inner, at = _tag(data, at, end)
        if inner < 8:
            raise WireError("a field that cannot be")
        if inner & 7 == END_GROUP:
            if inner >> 3 != tag >> 3:
                raise WireError("the end of another group")
            return at
        at = _skip(data, at, end, inner, depth + 1)


def write_varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF
    if value < 128:
        return bytes((value,))
    written = bytearray()
    while value >= 128:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def write(number: int, content: bytes) -> bytes:
    """A field with a length: text, bytes, a message, packed numbers."""
    return write_varint(number << 3 | LENGTH) + write_varint(len(content)) + content


def write_text(number: int, value: str) -> bytes:
    """A text field of its own, which is not written where it is empty."""
    return write(number, value.encode()) if value else b""
