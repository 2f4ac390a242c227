from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from gateway.core.errors import SettingsError
from gateway.embedding_tokenizer import JsonTokenizer
from tests.support.tokenizer import TokenizerFolder

LONG = "The quick brown fox jumps over the lazy dog, 聪明的 😀. " * 20


@pytest.fixture(scope="module")
def plain(tokenizer: TokenizerFolder) -> Tokenizer:
    return tokenizer.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: TokenizerFolder) -> Path:
    """As Qwen3-Embedding's: an end token behind each text. As sentence-transformers': cut and padded."""
    changed = tokenizer.load()
    changed.post_processor = TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", tokenizer.pad_id)]
    )
    changed.enable_truncation(8)
    changed.enable_padding(length=8, pad_id=tokenizer.pad_id)
    path = tmp_path_factory.mktemp("embedding-tokenizer")
    changed.save(str(path / "tokenizer.json"))
    return path


def test_the_end_token_is_kept_and_nothing_is_cut_or_padded(
    folder: Path, plain: Tokenizer, tokenizer: TokenizerFolder
) -> None:
    loaded = JsonTokenizer.load(str(folder))
    for text in ("hi", LONG):
        assert loaded.encode(text) == [*plain.encode(text).ids, tokenizer.pad_id]
    assert loaded.vocab_size == tokenizer.vocab_size


@pytest.mark.parametrize("end", [True, False], ids=["with-end", "without-end"])
def test_ids_whose_text_gives_them(folder: Path, end: bool) -> None:
    loaded = JsonTokenizer.load(str(folder))
    ids = loaded.encode(LONG) if end else loaded.encode(LONG)[:-1]
    assert loaded.decode(ids) == LONG


def test_ids_that_no_text_gives(folder: Path, plain: Tokenizer, tokenizer: TokenizerFolder) -> None:
    loaded = JsonTokenizer.load(str(folder))
    letters = [id for letter in "the" for id in plain.encode(letter).ids]  # the text has one token for all three
    assert loaded.decode(letters) is None
    assert loaded.decode([tokenizer.pad_id, *plain.encode("hi").ids]) is None


@pytest.mark.parametrize(
    ("content", "message"), [(None, "There is no"), ("{", "cannot be read"), (json.dumps({"a": 1}), "cannot be read")]
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(SettingsError, match=message):
        JsonTokenizer.load(str(tmp_path))
