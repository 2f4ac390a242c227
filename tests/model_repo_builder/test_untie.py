from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.errors import CheckpointError
from model_repo_builder.qwen import read_checkpoint
from model_repo_builder.untie import main, untie
from tests.model_repo_builder.test_qwen import checkpoint

TABLE = bytes(range(32))


def write(path: Path, tensors: dict[str, bytes]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, value in tensors.items():
        header[name] = {"dtype": "BF16", "shape": [2, 8], "data_offsets": [len(data), len(data) + len(value)]}
        data += value
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read(path: Path, name: str) -> bytes:
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    begin, end = json.loads(content[8 : 8 + length])[name]["data_offsets"]
    return content[8 + length + begin : 8 + length + end]


def tied(folder: Path, sharded: bool) -> Path:
    checkpoint(folder, ())
    tensors = {"model.norm.weight": b"\1" * 32, "model.embed_tokens.weight": TABLE}
    if not sharded:
        write(folder / "model.safetensors", tensors)
        return folder
    places = {}
    for number, (name, value) in enumerate(tensors.items(), 1):
        places[name] = f"model-0000{number}-of-00002.safetensors"
        write(folder / places[name], {name: value})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


@pytest.mark.parametrize("sharded", [False, True], ids=["one file", "sharded"])
def test_the_copy_has_a_second_table_and_links_to_the_rest(tmp_path: Path, sharded: bool) -> None:
    source, output = tied(tmp_path / "in", sharded), tmp_path / "out"
    (source / "tokenizer.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    untie(source, output)
    index = json.loads((output / "model.safetensors.index.json").read_text())["weight_map"]
    assert set(index) == {"model.norm.weight", "model.embed_tokens.weight", "lm_head.weight"}
    for name, expected in {"lm_head.weight": TABLE, "model.embed_tokens.weight": TABLE}.items():
        assert read(output / index[name], name) == expected
    assert not (output / "model.safetensors").exists()  # it would hide the index
    assert (output / index["model.norm.weight"]).is_symlink()
    assert (output / "tokenizer.json").is_symlink()
    assert not read_checkpoint(output).tied
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_twice_is_as_once(tmp_path: Path) -> None:
    source = tied(tmp_path / "in", sharded=True)
    for _ in range(2):
        untie(source, tmp_path / "out")
    assert not read_checkpoint(tmp_path / "out").tied


def test_without_embeddings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(tmp_path / "in", ())
    write(tmp_path / "in" / "model.safetensors", {"w": b"\0" * 32})
    with pytest.raises(CheckpointError, match=r"has no model\.embed_tokens"):
        untie(tmp_path / "in", tmp_path / "out")
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert "error: " in capsys.readouterr().err
