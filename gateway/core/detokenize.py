"""Token ids → text, incrementally, never splitting a character. It knows bytes and UTF-8, not tokenizers.

Qwen's tokenizers are byte-level BPE: a token stands for bytes, and a character may be spread over several tokens
(聪 is two, 👨‍👩‍👧 more). Decoding each token alone prints U+FFFD for such characters; so bytes are joined first and
decoded by an incremental decoder that holds at most three bytes back. Bytes that are no UTF-8 become U+FFFD at once,
so a hostile stream of them neither stalls nor piles up.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from gateway.core.types import TokenTable

_decoder = codecs.getincrementaldecoder("utf-8")


class Detokenizer:
    """Text of ids: ``push`` as they come, ``flush`` at the end. Joined, it equals decoding all at once."""

    __slots__ = ("_decode", "_table")

    def __init__(self, table: TokenTable) -> None:
        self._table = table
        self._decode = _decoder(errors="replace").decode

    def push(self, ids: Iterable[int]) -> str:
        """The text that became certain. Ids the table does not know are dropped (engines do send some)."""
        table = self._table
        size = len(table)
        return self._decode(b"".join([table[id] for id in ids if 0 <= id < size]))

    def flush(self) -> str:
        """What was held back: U+FFFD where generation ended inside a character, else nothing."""
        return self._decode(b"", True)
