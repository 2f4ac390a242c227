"""A Hugging Face tokenizer for ``core``: chat template, text → ids, and the table id → bytes.

It knows tokenizer files and transformers. It must not know requests, Triton or HTTP. Code from a checkpoint is never
executed (``trust_remote_code`` stays off): Qwen's tokenizers need none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.core.errors import RequestError, SettingsError

# A model id of the Hugging Face hub, as opposed to a path.
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")


class HuggingFaceTokenizer:
    """A byte-level BPE tokenizer with a chat template, as every Qwen has."""

    def __init__(self, tokenizer: Any, *, source: str) -> None:
        """``tokenizer``: a fast tokenizer of transformers. SettingsError where it cannot serve chats of Qwen."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise SettingsError(
                f"The tokenizer in {source} has no tokenizer.json and cannot be converted to one. "
                "Save it once with transformers (save_pretrained) and point to that folder."
            )
        if not tokenizer.chat_template:
            raise SettingsError(
                f"The tokenizer in {source} has no chat template. Use the folder of a chat model (Qwen*-Instruct or "
                "-Chat), or put its chat_template.jinja beside tokenizer_config.json."
            )
        self._tokenizer = tokenizer
        self._backend = backend
        self.table = _token_bytes(tokenizer, source)

    @classmethod
    def load(cls, source: str) -> HuggingFaceTokenizer:
        """From a folder, or from the hub where ``source`` is a model id. SettingsError says what is wrong with it."""
        folder = Path(source)
        if not folder.is_dir() and not _HUB_ID.fullmatch(source):
            raise SettingsError(
                f"There is no tokenizer folder {source}. Give the folder of a Hugging Face Qwen checkpoint "
                "(tokenizer.json and tokenizer_config.json are enough), or a model id such as Qwen/Qwen2.5-7B-Instruct."
            )
        from transformers import AutoTokenizer  # takes seconds: not at import

        try:
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=folder.is_dir(), trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
            what = "folder" if folder.is_dir() else "folder of that name, and model id that could not be downloaded,"
            raise SettingsError(f"The tokenizer {what} {source} cannot be read: {reason}") from exc
        return cls(tokenizer, source=source)

    def render(self, messages: Sequence[dict[str, object]]) -> str:
        """The chat template's prompt with the generation prompt at its end."""
        from jinja2 import TemplateError

        try:
            rendered = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        except TemplateError as exc:
            raise RequestError(f"The model's chat template refused the messages: {exc}.", param="messages") from exc
        return str(rendered)

    def encode(self, text: str) -> list[int]:
        """Token ids. Control tokens in ``text`` are control; none is added."""
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The end tokens that a Qwen tokenizer is known to have, the chat end first."""
        ids = (self._backend.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>"))
        return tuple(id for id in ids if id is not None)

    def token(self, id: int) -> str:
        """The token as the vocabulary spells it."""
        return str(self._backend.id_to_token(id) or "")


def _token_bytes(tokenizer: Any, source: str) -> tuple[bytes, ...]:
    """id → bytes. Control tokens have none: they are never text. Tags such as ``<think>`` are text."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    added = {id: token for id, token in tokenizer.added_tokens_decoder.items()}
    byte_of = _byte_of_char()
    table = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for token, id in vocabulary.items():
        if id in added:
            table[id] = b"" if added[id].special else str(added[id]).encode()
            continue
        try:
            table[id] = bytes([byte_of[char] for char in token])
        except KeyError:
            raise SettingsError(
                f"The tokenizer in {source} is not a byte-level BPE (token {id} is {token!r}), so it is not Qwen's."
            ) from None
    return tuple(table)


def _byte_of_char() -> dict[str, int]:
    """The alphabet of byte-level BPE: printable bytes of Latin-1 stand for themselves, the others follow from U+0100.

    Source: GPT-2's encoder, which Qwen's vocab.json uses unchanged.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + i): byte for i, byte in enumerate(others)}
