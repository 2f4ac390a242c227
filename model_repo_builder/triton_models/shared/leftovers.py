"""The beginnings of characters between two pieces of a stream, for many streams, within bounds.

Only a stream that stopped in the middle of a character has an entry. Entries go when the character is
complete, when the stream is flushed or dropped, after a minute, and the oldest first where there are too
many. Knows nothing of Triton; the time is given in.
"""

from collections import OrderedDict
from collections.abc import Hashable

from .utf8_stream import continues, decode_piece

_MOST = 4096
_KEPT_SECONDS = 60.0
_FRESH_SECONDS = 1.0


Key = tuple[Hashable, ...]


class Leftovers:
    """Keys are (request id, row, beam)."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        # The bytes and since when, the oldest first.
        self._pending: OrderedDict[Key, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pending)

    def push(self, key: Key, piece: bytes, now: float) -> str:
        """The text of the piece, with what the one before left over."""
        pending, since = self._pending.pop(key, (b"", now))
        # An answer may be cut inside a character, and its id be used again by the next answer.
        if now - since > _FRESH_SECONDS and not continues(piece):
            pending = b""
        text, pending = decode_piece(pending, piece)
        if pending:
            self._pending[key] = (pending, now)
        self._forget(now)
        return text

    def flush(self, key: Key) -> str:
        """The end of the stream: an unfinished character is one replacement character."""
        pending, _ = self._pending.pop(key, (b"", 0.0))
        return pending.decode("utf-8", "replace")

    def drop(self, request_id: str) -> None:
        for key in [key for key in self._pending if key[0] == request_id]:
            del self._pending[key]

    def _forget(self, now: float) -> None:
        while self._pending:
            key, (_, since) = next(iter(self._pending.items()))
            if len(self._pending) <= self._most and now - since <= _KEPT_SECONDS:
                return
            del self._pending[key]
