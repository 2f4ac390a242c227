"""One HTTP/1.1 reply, from bytes to frames: head, chunked or counted body, server-sent events.

It knows the wire. It has no socket and no clock, and it must not know what the frames mean beyond ``[DONE]`` and an
error. Made to cost little for each frame: bytes are scanned, no JSON is parsed.
"""

from __future__ import annotations

_ERROR_FRAME = b'data: {"error"'
_ERROR_EVENT = b"event: error"


class BrokenReply(Exception):
    """The bytes are no HTTP reply; the text says where."""


class Reply:
    """Fed with ``push``, which gives the complete SSE frames that came, comments left out."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.done = False  # [DONE] came
        self.error = b""  # the first error frame, or the body of a reply that is no stream
        self.body = bytearray()  # of a reply that is no event stream
        self._buffer = bytearray()  # undecoded
        self._frames = bytearray()  # decoded, not yet a whole frame
        self._left = -1  # bytes of the body or chunk still to come; -1: a size line is next
        self._chunked = self._events = False

    @property
    def begun(self) -> bool:
        """Whether the status is known."""
        return self.status != 0

    def push(self, data: bytes | memoryview) -> list[bytes]:
        self._buffer += data
        if not self.begun and not self._head():
            return []
        payload = self._unchunked() if self._chunked else self._counted()
        if self._events:
            return self._split(payload)
        self.body += payload
        if self.complete and self.status >= 400:
            self.error = bytes(self.body)
        return []

    def closed(self) -> None:
        """The server closed the connection: the end of a body without a length."""
        if self.begun and not self._chunked and self._left == -1:
            self.complete = True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        parts = lines[0].split(" ", 2)
        if not parts[0].startswith("HTTP/1.") or len(parts) < 2 or not parts[1].isdigit():
            raise BrokenReply(f"the reply begins with {lines[0][:80]!r}")
        self.status = int(parts[1])
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self._events = self.headers.get("content-type", "").startswith("text/event-stream")
        if not self._chunked:
            self._left = int(self.headers.get("content-length", "-1"))
            self.complete = self._left == 0
        return True

    def _counted(self) -> bytes:
        payload = bytes(self._buffer)
        self._buffer.clear()
        if self._left >= 0:
            self._left -= len(payload)
            self.complete = self._left <= 0
        return payload

    def _unchunked(self) -> bytes:
        """The payload of all chunks that are here, or of a part of the last one."""
        buffer, payload, at = self._buffer, bytearray(), 0
        while not self.complete:
            if self._left < 0:
                end = buffer.find(b"\r\n", at)
                if end < 0:
                    break
                try:
                    self._left = int(buffer[at:end].partition(b";")[0], 16)
                except ValueError:
                    raise BrokenReply(f"a chunk begins with {bytes(buffer[at:end])[:40]!r}") from None
                if self._left == 0:  # the last chunk; trailers are not used by anyone here
                    if buffer.find(b"\r\n\r\n", at) < 0:
                        self._left = -1
                        break
                    self.complete = True
                    at = len(buffer)
                    break
                at = end + 2
            if len(buffer) - at >= self._left + 2:
                payload += buffer[at : at + self._left]
                at += self._left + 2
                self._left = -1
            else:
                part = buffer[at : at + self._left]
                payload += part
                at += len(part)
                self._left -= len(part)  # 0: its line end is still to come
                break
        del buffer[:at]
        return bytes(payload)

    def _split(self, payload: bytes) -> list[bytes]:
        if not self._frames and payload.endswith(b"\n\n"):
            whole = payload
        else:
            self._frames += payload
            end = self._frames.rfind(b"\n\n")
            if end < 0:
                return []
            whole = bytes(self._frames[: end + 2])
            del self._frames[: end + 2]
        frames = [frame for frame in whole[:-2].split(b"\n\n") if frame and frame[0] != 58]  # 58 is ":"
        for frame in frames:
            if frame == b"data: [DONE]":
                self.done = True
            elif frame.startswith((_ERROR_FRAME, _ERROR_EVENT)):
                self.error = self.error or frame
        return frames
