"""A tokenizer for tests of embeddings: a letter is a token, a is 1; ``end`` is added to each text, as Qwen's does."""

from __future__ import annotations

from collections.abc import Sequence

END = 0


class Letters:
    vocab_size = 27

    def encode(self, text: str) -> list[int]:
        ids = [ord(char) - ord("a") + 1 for char in text if "a" <= char <= "z"]
        return [*ids, END] if ids else []

    def decode(self, ids: Sequence[int]) -> str | None:
        return None if END in ids[:-1] else "".join(chr(ord("a") + id - 1) for id in ids if id != END)
