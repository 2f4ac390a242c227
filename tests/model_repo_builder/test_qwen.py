from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder import qwen
from model_repo_builder.errors import CheckpointError

QWEN2 = {
    "model_type": "qwen2",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}


def shard(path: Path, length: int = 16, written: int | None = None) -> None:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [length // 2], "data_offsets": [0, length]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * (length if written is None else written))


def checkpoint(folder: Path, shards: tuple[str, ...] = ("model.safetensors",), **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    values = {key: value for key, value in {**QWEN2, **config}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(values))
    for name in shards:
        shard(folder / name)
    return folder


#: As published, in billions.
PARAMETERS = {
    "Qwen1.5-7B": 7.72,
    "Qwen1.5-14B-Chat": 14.17,
    "Qwen1.5-32B": 32.5,
    "Qwen1.5-72B-Chat": 72.3,
    "Qwen1.5-MoE-A2.7B-Chat": 14.3,
    "Qwen2-0.5B-Instruct": 0.494,
    "Qwen2.5-3B": 3.09,
    "Qwen2.5-7B-Instruct": 7.62,
    "Qwen2.5-14B": 14.77,
    "Qwen2.5-72B": 72.7,
    "Qwen3-0.6B": 0.596,
    "Qwen3-8B": 8.19,
    "Qwen3-32B": 32.8,
    "Qwen3-30B-A3B": 30.5,
}


@pytest.mark.parametrize(("name", "billions"), PARAMETERS.items(), ids=str)
def test_published_sizes_add_up_to_the_published_number_of_parameters(name: str, billions: float) -> None:
    facts = qwen.known(name)
    assert facts is not None
    assert facts.parameters / 1e9 == pytest.approx(billions, rel=0.005)


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b", "./models/Qwen2.5-7B-Instruct"])
def test_a_model_is_known_by_any_of_its_names(name: str) -> None:
    facts = qwen.known(name)
    assert facts is not None
    assert facts.layers == 28


def test_unknown_names() -> None:
    assert qwen.known("Llama-3-8B") is None


def test_a_checkpoint_folder(tmp_path: Path) -> None:
    facts = qwen.read_checkpoint(checkpoint(tmp_path / "Tiny"))
    assert (facts.name, facts.family, facts.layers, facts.kv_heads, facts.head_dim) == ("Tiny", "qwen2", 2, 2, 16)
    assert facts.tied
    assert facts.weight_bytes == (tmp_path / "Tiny" / "model.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("config", "name", "expected"),
    [
        ({"model_type": "qwen"}, "intermediate", 64),
        ({"model_type": "qwen", "rms_norm_eps": None, "layer_norm_epsilon": 1e-5}, "norm_epsilon", 1e-5),
        ({"model_type": "qwen", "rope_theta": None, "rotary_emb_base": 10000}, "rope_theta", 10000.0),
        ({"rope_theta": None, "rope_parameters": {"rope_theta": 5e6}}, "rope_theta", 5e6),
        ({"model_type": "qwen3", "head_dim": 128}, "head_dim", 128),
        ({"num_key_value_heads": None}, "kv_heads", 4),
        ({"torch_dtype": None, "dtype": "float16"}, "dtype", "float16"),
        ({"model_type": "qwen3_moe", "num_experts": 8, "moe_intermediate_size": 32}, "experts", 8),
    ],
    ids=str,
)
def test_every_family_names_its_sizes(tmp_path: Path, config: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(qwen.read_checkpoint(checkpoint(tmp_path / "m", **config)), name) == expected


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model_type": "llama"}, "give a Qwen"),
        ({"hidden_size": None}, "'hidden_size'"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"already quantized \(gptq\)"),
        ({"num_hidden_layers": "many"}, "'num_hidden_layers'"),
    ],
    ids=str,
)
def test_what_is_no_qwen_is_refused(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        qwen.read_checkpoint(checkpoint(tmp_path / "m", **config))


def test_missing_shards_are_counted(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", ("model-1-of-3.safetensors",))
    places = {f"t{number}": f"model-{number}-of-3.safetensors" for number in (1, 2, 3)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    with pytest.raises(CheckpointError, match=r"misses 2 of 3 shards .*finish the download"):
        qwen.read_checkpoint(folder)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: shard(path, 16, written=8), "cut short"),
        (lambda path: path.write_bytes(b"version https://git-lfs"), "no safetensors file"),
        (lambda path: path.write_bytes(b""), "no safetensors file"),
        (lambda path: path.unlink(), "no weights"),
    ],
    ids=["half a download", "a pointer of git-lfs", "empty", "none"],
)
def test_damaged_shards_are_found(tmp_path: Path, damage: Any, says: str) -> None:
    folder = checkpoint(tmp_path / "m")
    damage(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=says):
        qwen.read_checkpoint(folder)
