"""gRPC over HTTP/2: messages with their length in front, and the headers and trailers around them.

It knows gRPC's form on the wire (its PROTOCOL-HTTP2 document). It must not know HTTP/2's frames, nor what a message
says. Nothing is compressed: we ask for that, and a peer that does it anyway is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from urllib.parse import unquote_to_bytes

from gateway.triton.h2.frames import Code, code_name
from gateway.triton.h2.headers import Headers, header_block
from gateway.triton.status import Status

_PREFIX = Struct(">BI")


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended. ``processed`` is False where the peer is known not to have begun: it can be sent again."""

    status: Status
    details: str = ""
    processed: bool = True


class MessageError(Exception):
    """A message that cannot be taken; ``end`` is how its call ends."""

    def __init__(self, status: Status, details: str) -> None:
        super().__init__(details)
        self.end = End(status, details)


class MessageReader:
    """Push the content of DATA frames, take the messages that are complete."""

    __slots__ = ("_largest", "_needed", "rest")

    def __init__(self, largest: int) -> None:
        """``largest``: bytes that a message may have."""
        self._largest = largest
        self.rest = bytearray()  # of a message that has begun
        self._needed = 0  # bytes without which nothing more can be said

    def push(self, data: bytes) -> list[bytes]:
        if self.rest:
            self.rest += data
            if len(self.rest) < self._needed:
                return []
            data = bytes(self.rest)
            self.rest.clear()
        messages: list[bytes] = []
        at, end = 0, len(data)
        self._needed = _PREFIX.size
        while end - at >= _PREFIX.size:
            compressed, size = _PREFIX.unpack_from(data, at)
            if compressed:
                raise MessageError(Status.INTERNAL, "a compressed message, though none was asked for")
            if size > self._largest:
                raise MessageError(
                    Status.RESOURCE_EXHAUSTED, f"a message of {size} bytes, of {self._largest} at the most"
                )
            stop = at + _PREFIX.size + size
            if stop > end:
                self._needed = stop - at
                break
            messages.append(data[at + _PREFIX.size : stop])
            at = stop
        if at < end:
            self.rest += data[at:]
        return messages


def framed(message: bytes) -> bytes:
    """A message with its length in front."""
    return _PREFIX.pack(0, len(message)) + message


def request_headers(
    path: str,
    authority: str,
    *,
    tls: bool = False,
    timeout: float | None = None,
    more: Sequence[tuple[str, str]] = (),
) -> bytes:
    """The header block of a call. ``timeout``: seconds after which the peer gives up by itself."""
    block = _usual_headers(path, authority, tls, timeout)
    return block + header_block(more) if more else block


@lru_cache(maxsize=64)
def _usual_headers(path: str, authority: str, tls: bool, timeout: float | None) -> bytes:
    headers = [
        (":method", "POST"),
        (":scheme", "https" if tls else "http"),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "qwen-triton-gateway"),
    ]
    if timeout is not None:
        headers.insert(4, ("grpc-timeout", _timeout(timeout)))
    return header_block(headers)


def _timeout(seconds: float) -> str:
    """At most eight digits and a unit."""
    milliseconds = max(1, round(seconds * 1000))
    return f"{milliseconds}m" if milliseconds < 10**8 else f"{min(milliseconds // 1000, 10**8 - 1)}S"


def refusal(headers: Headers) -> End | None:
    """The end that the headers of an answer already are, if they are not the beginning of gRPC."""
    found = dict(headers)
    status = found.get(b":status", b"")
    if status != b"200":
        known = _HTTP.get(status, Status.UNKNOWN)
        return End(known, f"the server answered with HTTP status {status.decode('latin-1') or 'none'}")
    if not found.get(b"content-type", b"").startswith(b"application/grpc"):
        return End(Status.UNKNOWN, "the server's answer is not gRPC")
    return None


def end_of(trailers: Headers) -> End:
    """What the trailers say."""
    found = dict(trailers)
    number = found.get(b"grpc-status")
    if number is None:
        return End(Status.UNKNOWN, "the server's answer ended without a status")
    try:
        status = Status(int(number))
    except ValueError:
        status = Status.UNKNOWN
    details = unquote_to_bytes(found.get(b"grpc-message", b"")).decode("utf-8", "replace")
    return End(status, details)


def end_of_reset(code: int) -> End:
    """The end of a call whose stream the peer reset."""
    status = _RESET.get(code, Status.INTERNAL)
    return End(status, f"the server reset the stream ({code_name(code)})", processed=code != Code.REFUSED_STREAM)


# gRPC's own tables: what an HTTP status stands for where a proxy answers, and what a reset does.
_HTTP = {
    b"400": Status.INTERNAL,
    b"401": Status.UNAUTHENTICATED,
    b"403": Status.PERMISSION_DENIED,
    b"404": Status.UNIMPLEMENTED,
    b"429": Status.UNAVAILABLE,
    b"502": Status.UNAVAILABLE,
    b"503": Status.UNAVAILABLE,
    b"504": Status.UNAVAILABLE,
}
_RESET = {
    int(Code.REFUSED_STREAM): Status.UNAVAILABLE,
    int(Code.CANCEL): Status.CANCELLED,
    int(Code.ENHANCE_YOUR_CALM): Status.RESOURCE_EXHAUSTED,
    int(Code.INADEQUATE_SECURITY): Status.PERMISSION_DENIED,
}
