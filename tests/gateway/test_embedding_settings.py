from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.core.embedding_route import EmbeddingRoute
from gateway.core.errors import SettingsError
from gateway.settings import Settings
from tests.support.gateway import GATEWAY
from tests.support.tokenizer import TokenizerFolder

MODEL = {"name": "e", "triton_model": "m"}


def read(document: dict[str, Any], folder: Path = Path("/nowhere")) -> Settings:
    return Settings.read(document, {}, {}, folder=folder)


def test_defaults() -> None:
    settings = read({"embeddings": [MODEL]})
    (model,) = settings.embeddings
    assert settings.models == ()
    assert (model.triton, model.tokenizer, model.max_model_len) == (("127.0.0.1:8001",), None, None)
    assert model.route(None) == EmbeddingRoute("m", pooling="none", normalize=True, sizes=())


def test_everything(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    table = {
        **MODEL,
        "triton": "gpu:8001",
        "tokenizer": "tokenizer",
        "max_model_len": 512,
        "input": "text",
        "output": "vectors",
        "pooling": "last",
        "normalize": False,
        "dimensions": "32-64",
    }
    (model,) = read({"embeddings": [table]}, tmp_path).embeddings
    assert model.tokenizer == str(tmp_path / "tokenizer")
    assert model.route(512) == EmbeddingRoute("m", "text", "vectors", "last", False, range(32, 65), 512)


WRONG = [
    pytest.param({"embeddings": {"name": "e"}}, r"\[\[embeddings\]\], with two brackets", id="one-bracket"),
    pytest.param({"embedding": [MODEL]}, "unknown table 'embedding'", id="singular-table"),
    pytest.param({"embeddings": [{"name": "e"}]}, "lacks 'triton_model'", id="no-triton-model"),
    pytest.param({"embeddings": [{"triton_model": "m"}]}, "lacks 'name'", id="no-name"),
    pytest.param({"embeddings": [{**MODEL, "name": ""}]}, "not empty", id="empty-name"),
    pytest.param({"embeddings": [MODEL, MODEL]}, "used twice", id="same-name"),
    pytest.param(
        {"embeddings": [MODEL], "models": [{"name": "e", "tokenizer": "t"}]}, "used twice", id="name-of-a-model"
    ),
    pytest.param({"embeddings": [{**MODEL, "triton": "gpu"}]}, "HOST:PORT", id="endpoint"),
    pytest.param({"embeddings": [{**MODEL, "pooling": "max"}]}, "none, last, mean, cls", id="pooling"),
    pytest.param({"embeddings": [{**MODEL, "normalise": True}]}, "unknown key 'normalise'", id="misspelt"),
    pytest.param({"embeddings": [{**MODEL, "normalize": "yes"}]}, "true or false", id="truth-as-text"),
    pytest.param({"embeddings": [{**MODEL, "max_model_len": 0}]}, "at least 1", id="length-of-zero"),
    pytest.param({"embeddings": [{**MODEL, "dimensions": "any"}]}, 'must be "fixed"', id="dimensions"),
    pytest.param({"embeddings": [{**MODEL, "dimensions": 64}]}, "text in quotes", id="dimensions-as-number"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_wrong_settings_say_what_to_change(document: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(document)


@pytest.mark.parametrize(
    ("folder", "message"),
    [("absent", "There is no absent/tokenizer.json"), ("bare", "Set max_model_len")],
    ids=["no-such-folder", "nobody-knows-the-length"],
)
def test_a_start_that_cannot_work(tmp_path: Path, tokenizer: TokenizerFolder, folder: str, message: str) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "tokenizer.json").write_bytes((tokenizer.path / "tokenizer.json").read_bytes())
    (tmp_path / "gateway.toml").write_text(f'[[embeddings]]\nname = "e"\ntriton_model = "m"\ntokenizer = "{folder}"\n')
    command = [str(GATEWAY), "serve", "--port", "0", "--config", "gateway.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
