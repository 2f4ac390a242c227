"""A tokenizer for tests of ``core``, small enough to read: a few words, and one token for every byte.

It satisfies core's Tokenizer protocol with the ids a test can name.
"""

from __future__ import annotations

from collections.abc import Sequence

END, OTHER_END, CONTROL = 0, 1, 2
BYTES = 16  # id of byte 0
WORDS = BYTES + 256  # ids of the words below
_WORDS = ["hello", " world", "聪明", "\n\n", "<think>"]


class Vocabulary:
    """Words where the text has them, bytes for the rest."""

    def __init__(self) -> None:
        control = [b""] * BYTES
        self.table: Sequence[bytes] = [*control, *(bytes([b]) for b in range(256)), *(w.encode() for w in _WORDS)]

    def render(self, messages: Sequence[dict[str, object]]) -> str:
        turns = "".join(f"<{m['role']}>{m['content']}" for m in messages)
        return f"{turns}<assistant>"

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        while text:
            word = next((w for w in _WORDS if text.startswith(w)), None)
            if word is None:
                ids += [BYTES + byte for byte in text[0].encode()]
                text = text[1:]
            else:
                ids.append(WORDS + _WORDS.index(word))
                text = text[len(word) :]
        return ids

    def token(self, id: int) -> str:
        return {END: "<|im_end|>", OTHER_END: "<|endoftext|>"}.get(id, "")
