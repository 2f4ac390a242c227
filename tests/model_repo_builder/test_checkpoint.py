import json
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.checkpoint import ModelFacts, longest_sequence, read_engine, read_model, read_tokenizer
from model_repo_builder.errors import CheckpointError, SettingsError
from tests.model_repo_builder.shapes import gguf_bytes, write_engine, write_tokenizer_files


@pytest.mark.parametrize(
    ("changes", "end_ids"),
    [
        pytest.param({}, (5, 3), id="the chat end first"),
        pytest.param({"generation_config.json": {"eos_token_id": [3, 5]}}, (5, 3), id="whatever the order"),
        pytest.param({"generation_config.json": None}, (5, 3), id="no generation config"),
        pytest.param({"generation_config.json": {"eos_token_id": 7}}, (5, 7, 3), id="one more, as a number"),
        pytest.param({"tokenizer_config.json": {"eos_token": {"content": "<|endoftext|>"}}}, (5, 3), id="as an object"),
        pytest.param(
            {
                "tokenizer.json": {
                    "model": {"vocab": {"a": 0}},
                    "added_tokens": [{"id": 1, "content": "<|endoftext|>"}],
                },
                "generation_config.json": None,
            },
            (1,),
            id="a base model",
        ),
        pytest.param(
            {
                "tokenizer.json": None,
                "vocab.json": {"a": 0, "b": 1},
                "merges.txt": "",
                "tokenizer_config.json": {"added_tokens_decoder": {"2": {"content": "<|im_end|>"}}},
                "generation_config.json": None,
            },
            (2,),
            id="vocab and merges",
        ),
    ],
)
def test_end_ids(tmp_path: Path, changes: dict[str, Any], end_ids: tuple[int, ...]) -> None:
    assert read_tokenizer(write_tokenizer_files(tmp_path / "t", **changes)).end_ids == end_ids


def test_size_counts_added_tokens(tmp_path: Path) -> None:
    facts = read_tokenizer(write_tokenizer_files(tmp_path / "t"))
    assert (facts.size, facts.max_positions) == (6, 256)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"tokenizer.json": None}, "holds no tokenizer", id="no tokenizer"),
        pytest.param({"tokenizer.json": "{"}, "cannot be read as JSON", id="broken JSON"),
        pytest.param({"tokenizer.json": "[" * 100_000}, "cannot be read as JSON", id="deep JSON"),
        pytest.param({"tokenizer_config.json": []}, "does not hold a JSON object", id="a list"),
        pytest.param(
            {"tokenizer.json": {}, "tokenizer_config.json": {}, "generation_config.json": {}}, "no token", id="no end"
        ),
    ],
)
def test_broken_tokenizers(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_tokenizer(write_tokenizer_files(tmp_path / "t", **changes))


def test_a_missing_tokenizer_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist: give the folder"):
        read_tokenizer(tmp_path / "none")


def test_a_gguf(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(context=512, vocab=8))
    facts = read_model(path)
    assert (facts.max_seq_len, facts.vocab_size, facts.end_ids) == (512, 8, (5,))


def test_a_gguf_of_another_family(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(architecture="llama"))
    with pytest.raises(CheckpointError, match="'llama' model: only Qwen"):
        read_model(path)


def test_an_openvino_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"openvino_model\.xml"):
        read_model(tmp_path)
    (tmp_path / "openvino_model.xml").touch()
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 64, "vocab_size": 10}))
    assert read_model(tmp_path) == ModelFacts(tmp_path, 64, 10)


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist: give a Qwen GGUF file"):
        read_model(tmp_path / "none")


def test_an_engine_of_v0_10(tmp_path: Path) -> None:
    facts = read_engine(write_engine(tmp_path / "e"))
    assert (facts.max_seq_len, facts.vocab_size, facts.max_batch_size) == (1536, 152064, 16)
    assert facts.paged_context is False


def test_a_later_engine_says_its_length_itself(tmp_path: Path) -> None:
    assert read_engine(write_engine(tmp_path / "e", max_seq_len=900)).max_seq_len == 900


def test_engine_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        read_engine(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no rank0\.engine"):
        read_engine(tmp_path)
    (tmp_path / "rank0.engine").touch()
    with pytest.raises(CheckpointError, match="no 'build_config'"):
        read_engine(tmp_path)


@pytest.mark.parametrize(
    ("model", "tokenizer", "asked", "length"),
    [(100, 50, None, 100), (None, 50, None, 50), (100, None, 60, 60), (None, None, 60, 60)],
)
def test_longest_sequence(
    tmp_path: Path, model: int | None, tokenizer: int | None, asked: int | None, length: int
) -> None:
    facts = read_tokenizer(write_tokenizer_files(tmp_path, **{"config.json": {"max_position_embeddings": tokenizer}}))
    assert longest_sequence(ModelFacts(tmp_path, model, None), facts, asked) == length


@pytest.mark.parametrize(("model", "asked", "words"), [(100, 101, "at most 100"), (None, None, "give max_seq_len")])
def test_lengths_that_cannot_be(tmp_path: Path, model: int | None, asked: int | None, words: str) -> None:
    facts = read_tokenizer(write_tokenizer_files(tmp_path, **{"config.json": None}))
    with pytest.raises(SettingsError, match=words):
        longest_sequence(ModelFacts(tmp_path, model, None), facts, asked)
