"""Token ids → text, incrementally, never splitting a character. It knows bytes and UTF-8, not tokenizers.

Qwen's tokenizers are byte-level BPE: a token stands for bytes, and a character may be spread over several tokens
(聪 is two, 👨‍👩‍👧 more). Decoding each token alone prints U+FFFD for such characters; so bytes are joined first and
decoded by an incremental decoder that holds at most three bytes back. Bytes that are no UTF-8 become U+FFFD at once,
so a hostile stream of them neither stalls nor piles up.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from gateway.core.types import TokenTable

_decoder = codecs.getincrementaldecoder("utf-8")


class Detokenizer:
    """Text of ids: ``push`` as they come, ``flush`` at the end. Joined, it equals decoding all at once."""

    __slots__ = ("_decoder", "_table", "held")

    def __init__(self, table: TokenTable) -> None:
        self._table = table
        self._decoder = _decoder(errors="replace")
        self.held = False  # whether a character is not complete

    def push(self, ids: Sequence[int]) -> str:
        """The text that became certain. Ids the table does not know are dropped (engines do send some)."""
        table = self._table
        size = len(table)
        if len(ids) == 1:
            id = ids[0]
            data = table[id] if 0 <= id < size else b""
        else:
            data = b"".join([table[id] for id in ids if 0 <= id < size])
        if not self.held:  # whole characters, nearly always: they need no state
            try:
                return data.decode()
            except UnicodeDecodeError:
                pass
        text = self._decoder.decode(data)
        self.held = bool(self._decoder.getstate()[0])
        return text

    def flush(self) -> str:
        """What was held back: U+FFFD where generation ended inside a character, else nothing."""
        self.held = False
        return self._decoder.decode(b"", True)
