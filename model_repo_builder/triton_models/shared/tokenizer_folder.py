"""A Hugging Face tokenizer folder → the few things that the Python models need of it.

Loads tokenizer.json with ``tokenizers`` where that file says everything, because importing ``transformers``
takes seconds of every process; else transformers builds it. Code in the folder runs only if that was asked
for. Knows nothing of Triton.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .utf8_stream import TokenBytes

CHAT_END, TEXT_END = "<|im_end|>", "<|endoftext|>"


class QwenTokenizer:
    """Text to ids, and the bytes of ids.

    Control tokens that are written in the text are control tokens: the prompt comes rendered.
    """

    def __init__(self, backend: Any, add_special_tokens: bool = False, skip_special_tokens: bool = True) -> None:
        self._backend = backend
        self._add_special_tokens = add_special_tokens
        self.token_bytes = TokenBytes(_byte_table(backend, skip_special_tokens))
        ends = (backend.token_to_id(token) for token in (CHAT_END, TEXT_END))
        self.end_ids = [end for end in ends if end is not None]

    def prompts(self, texts: Iterable[str]) -> list[list[int]]:
        encodings = self._backend.encode_batch(list(texts), add_special_tokens=self._add_special_tokens)
        return [encoding.ids for encoding in encodings]

    def words(self, texts: Iterable[str]) -> list[list[int]]:
        """Words are pieces of text, so nothing is ever added to them."""
        return [encoding.ids for encoding in self._backend.encode_batch(list(texts), add_special_tokens=False)]


def load_tokenizer(
    folder: str, add_special_tokens: bool = False, skip_special_tokens: bool = True, trust_remote_code: bool = False
) -> QwenTokenizer:
    path = Path(folder) / "tokenizer.json"
    backend = None
    if path.is_file():
        from tokenizers import Tokenizer

        backend = Tokenizer.from_file(str(path))
        backend.no_padding()
        backend.no_truncation()
        if not _is_complete(backend, folder):
            backend = None
    if backend is None:
        backend = _from_transformers(folder, trust_remote_code)
    return QwenTokenizer(backend, add_special_tokens, skip_special_tokens)


def _from_transformers(folder: str, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ValueError(f"{folder} has no fast tokenizer: add its tokenizer.json")
    return backend


def _is_complete(backend: Any, folder: str) -> bool:
    """Whether tokenizer.json has every token that tokenizer_config.json adds."""
    try:
        config = json.loads((Path(folder) / "tokenizer_config.json").read_text("utf-8"))
    except FileNotFoundError:
        return True
    added = config.get("added_tokens_decoder", {})
    return all(backend.token_to_id(token["content"]) == int(key) for key, token in added.items())


def _byte_table(backend: Any, skip_special_tokens: bool) -> list[bytes]:
    added = backend.get_added_tokens_decoder()
    vocabulary = backend.get_vocab(with_added_tokens=False)
    table = [b""] * (max([*vocabulary.values(), *added], default=-1) + 1)
    byte_of = _byte_alphabet()
    for token, index in vocabulary.items():
        if index not in added:
            try:
                table[index] = bytes([byte_of[char] for char in token])
            except KeyError:
                raise ValueError(f"token {token!r} is not byte-level: this is no Qwen tokenizer") from None
    for index, token in added.items():
        table[index] = b"" if token.special and skip_special_tokens else token.content.encode("utf-8")
    return table


def _byte_alphabet() -> dict[str, int]:
    """The letters in which byte-level BPE writes bytes: printable Latin-1 as it is, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update({chr(0x100 + place): byte for place, byte in enumerate(others)})
    return alphabet
