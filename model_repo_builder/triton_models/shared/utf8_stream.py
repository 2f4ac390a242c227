"""Token ids → text, piece by piece, without ever splitting a character.

All Qwen tokenizers are byte-level BPE: a token is a fixed run of bytes, and text is the UTF-8 of the bytes of
all tokens. So the table of those bytes and an incremental UTF-8 decoder give the text exactly, whatever the
pieces: the pieces together are the text of all ids decoded at once. Knows nothing of Triton.
"""

import codecs
from collections.abc import Iterable


class TokenBytes:
    """The bytes of every token id. Ids that have no text (special, unknown, negative) have no bytes."""

    def __init__(self, table: list[bytes]) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def join(self, ids: Iterable[int]) -> bytes:
        table = self._table
        size = len(table)
        return b"".join([table[i] for i in ids if 0 <= i < size])

    def text(self, ids: Iterable[int]) -> str:
        """The text of a whole sequence."""
        return self.join(ids).decode("utf-8", "replace")


class Utf8Stream:
    """Holds back the bytes of a character that is not complete yet: three at most."""

    def __init__(self, token_bytes: TokenBytes) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, ids: Iterable[int]) -> str:
        return self._decoder.decode(self._token_bytes.join(ids))

    def flush(self) -> str:
        """At the end: a character that never became complete is one replacement character."""
        return self._decoder.decode(b"", final=True)


def decode_piece(pending: bytes, piece: bytes) -> tuple[str, bytes]:
    """One piece after the bytes that the piece before left over: the text, and what is left over now."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(pending + piece)
    return text, decoder.getstate()[0]


def continues(piece: bytes) -> bool:
    """Whether the piece can go on with a character that an earlier one began."""
    return bool(piece) and piece[0] & 0xC0 == 0x80
