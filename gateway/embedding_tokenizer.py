"""A tokenizer for embedding models: text → ids as the model was trained on them.

It knows tokenizer.json, and needs nothing else of a checkpoint: no chat template, no vocabulary of a certain kind. What
the file itself adds to each text is kept: Qwen3-Embedding's appends ``<|endoftext|>``, whose vector is the text's.
Control tokens in a text are control, as in the reference implementation: vectors are to be the same as there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from gateway.core.errors import SettingsError

# A model id of the Hugging Face hub, as opposed to a path.
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")


class JsonTokenizer:
    """A tokenizer.json."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # Files of sentence-transformers have both on: a long text would be cut without a word.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.vocab_size: int = max(tokenizer.get_vocab().values(), default=-1) + 1

    @classmethod
    def load(cls, source: str) -> JsonTokenizer:
        """From a folder, or from the hub where ``source`` is a model id. SettingsError says what is wrong with it."""
        file = Path(source) / "tokenizer.json"
        if not file.is_file() and not _HUB_ID.fullmatch(source):
            raise SettingsError(
                f"There is no {file}. Give the folder of the embedding model's checkpoint, with its tokenizer.json."
            )
        try:
            return cls(Tokenizer.from_file(str(file)) if file.is_file() else Tokenizer.from_pretrained(source))
        except Exception as exc:  # tokenizers raises nothing narrower
            raise SettingsError(f"The tokenizer of {source} cannot be read: {exc}") from exc

    def encode(self, text: str) -> list[int]:
        """Token ids, with what the file adds to each text. Other threads go on meanwhile: a list of texts is taken
        without Python's lock, unlike one text."""
        (found,) = self._tokenizer.encode_batch_fast([text])
        ids: list[int] = found.ids
        return ids

    def decode(self, ids: Sequence[int]) -> str | None:
        """The text of exactly these ids, with or without what the file adds; None where no text gives them."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        bare = self._tokenizer.encode(text, add_special_tokens=False).ids
        return text if list(ids) in (bare, self.encode(text)) else None
