"""A checkpoint whose logits have a table of their own, made from one where they share it with the embeddings.

    python3 -m model_repo_builder.untie CHECKPOINT OUTPUT

TensorRT-LLM 0.10 reads ``lm_head.weight`` without asking whether it is there. OUTPUT has links to the weights, one more
file with the second table, and its own config.json. Knows safetensors by its header; loads no library.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_repo_builder.errors import BuilderError, CheckpointError

_EMBEDDINGS, _LOGITS = "model.embed_tokens.weight", "lm_head.weight"
_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_HEAD_FILE = "model-lm_head.safetensors"
_LINKED_SINGLE = "model-00001-of-00001.safetensors"  # a plain model.safetensors would hide the index


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m model_repo_builder.untie", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args(arguments)
    try:
        untie(options.checkpoint, options.output)
    except (BuilderError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def untie(checkpoint: Path, output: Path) -> None:
    checkpoint = checkpoint.resolve()
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    places = _places(checkpoint)
    shard = places.get(_EMBEDDINGS)
    if shard is None:
        raise CheckpointError(f"{checkpoint} has no {_EMBEDDINGS}: give a Qwen checkpoint in safetensors")
    output.mkdir(parents=True, exist_ok=True)
    for path in checkpoint.iterdir():
        if path.is_file() and path.name not in ("config.json", _INDEX):
            link = output / _linked(path.name)
            link.unlink(missing_ok=True)
            link.symlink_to(path)
    _copy_table(checkpoint / shard, output / _HEAD_FILE)
    weights = {name: _linked(place) for name, place in places.items()} | {_LOGITS: _HEAD_FILE}
    total = sum(path.stat().st_size for path in output.glob("*.safetensors"))
    index = {"metadata": {"total_size": total}, "weight_map": weights}
    (output / _INDEX).write_text(json.dumps(index, indent=2), "utf-8")
    (output / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}, indent=2), "utf-8")


def _linked(name: str) -> str:
    return _LINKED_SINGLE if name == _SINGLE else name


def _places(checkpoint: Path) -> dict[str, str]:
    index = checkpoint / _INDEX
    if index.is_file():
        return dict(json.loads(index.read_text("utf-8"))["weight_map"])
    return {name: path.name for path in sorted(checkpoint.glob("*.safetensors")) for name in _header(path)[0]}


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The tensors of a file, and where their data begins."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def _copy_table(shard: Path, output: Path) -> None:
    header, start = _header(shard)
    tensor = header[_EMBEDDINGS]
    begin, end = tensor["data_offsets"]
    described = {**tensor, "data_offsets": [0, end - begin]}
    text = json.dumps({"__metadata__": {"format": "pt"}, _LOGITS: described}).encode()
    text += b" " * (-len(text) % 8)
    with shard.open("rb") as source, output.open("wb") as target:
        target.write(struct.pack("<Q", len(text)) + text)
        source.seek(start + begin)
        left = end - begin
        while left:
            chunk = source.read(min(left, 1 << 24))
            if not chunk:
                raise CheckpointError(f"{shard} is cut short: download it again")
            target.write(chunk)
            left -= len(chunk)


if __name__ == "__main__":
    sys.exit(main())
