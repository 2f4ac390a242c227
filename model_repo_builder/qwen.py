"""The facts of a Qwen checkpoint: its family, its sizes, and whether its files are all there.

Knows a Hugging Face folder (config.json, safetensors shards and their index) and the sizes of the published models, so
that a plan can be made before anything is downloaded. Must not know TensorRT-LLM, and never loads a weight.
"""

from __future__ import annotations

import functools
import json
import struct
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from model_repo_builder.errors import CheckpointError

FAMILIES = ("qwen", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe")
_VARIANTS = ("-chat", "-instruct")


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenFacts:
    """Sizes as Hugging Face names them; ``intermediate`` is the width of one half of the gated MLP."""

    name: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    max_positions: int
    rope_theta: float = 1_000_000.0
    norm_epsilon: float = 1e-6
    tied: bool = False
    dtype: str = "bfloat16"
    experts: int = 0
    moe_intermediate: int = 0
    shared_intermediate: int = 0
    folder: Path | None = None
    weight_bytes: int | None = None  # of the checkpoint on disk

    @property
    def embedding_parameters(self) -> int:
        """One table: of the tokens going in, or of those coming out."""
        return self.vocab * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Of the matrices of one layer, which quantization makes smaller and tensor parallelism splits."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        if not self.experts:
            return attention + 3 * self.hidden * self.intermediate
        routed = self.experts * 3 * self.hidden * self.moe_intermediate
        return attention + routed + 3 * self.hidden * self.shared_intermediate

    @property
    def layer_extras(self) -> int:
        """Of norms, biases and routers of one layer, which stay as they are on every rank."""
        bias = 0 if self.family.startswith("qwen3") else self.head_dim * (self.heads + 2 * self.kv_heads)
        query_norms = 2 * self.head_dim if self.family.startswith("qwen3") else 0
        gates = self.hidden * self.experts + (self.hidden if self.shared_intermediate else 0)
        return 2 * self.hidden + bias + query_norms + gates

    @property
    def parameters(self) -> int:
        tables = self.embedding_parameters * (1 if self.tied else 2)
        return tables + self.layers * (self.layer_parameters + self.layer_extras) + self.hidden


def known(name: str) -> QwenFacts | None:
    """A published model by its name; chat and instruct models have the sizes of the model they come from."""
    wanted = name.lower().rsplit("/", 1)[-1]
    for variant in _VARIANTS:
        wanted = wanted.removesuffix(variant)
    row = _published().get(wanted)
    return None if row is None else QwenFacts(name=name.rsplit("/", 1)[-1], **row)


def known_names() -> tuple[str, ...]:
    return tuple(_published())


def read_checkpoint(folder: Path) -> QwenFacts:
    """A Hugging Face folder; refused where it is no Qwen or a shard is missing or cut short."""
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{folder} has no config.json: give the folder of a Qwen checkpoint from Hugging Face")
    config = _json(path)
    family = config.get("model_type")
    if family not in FAMILIES:
        raise CheckpointError(f"{folder} is a {family!r} model: give a Qwen ({', '.join(FAMILIES)})")
    quantized = config.get("quantization_config")
    if quantized:
        method = quantized.get("quant_method") if isinstance(quantized, dict) else None
        raise CheckpointError(
            f"{folder} is already quantized ({method or 'quantization_config'}): give the checkpoint in 16 bits, "
            "and set quantization in the recipe"
        )
    return QwenFacts(
        name=folder.name, folder=folder, weight_bytes=_check_shards(folder), **_facts(str(family), config, path)
    )


def _facts(family: str, config: dict[str, Any], path: Path) -> dict[str, Any]:
    def number(*names: str, default: int | None = None) -> int:
        for name in names:
            value = config.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
        if default is None:
            raise CheckpointError(f"{path} has no {names[0]!r}: copy config.json from the model's page again")
        return default

    hidden, heads = number("hidden_size"), number("num_attention_heads")
    wide = number("intermediate_size")
    moe = family.endswith("_moe")
    rope = config.get("rope_parameters") or {}
    theta = config.get("rope_theta", rope.get("rope_theta", config.get("rotary_emb_base")))
    epsilon = config.get("rms_norm_eps", config.get("layer_norm_epsilon"))
    return {
        "family": family,
        "layers": number("num_hidden_layers"),
        "hidden": hidden,
        "heads": heads,
        "kv_heads": number("num_key_value_heads", default=heads),
        "head_dim": number("head_dim", "kv_channels", default=hidden // heads),
        # The first Qwen counts both halves of its gated MLP.
        "intermediate": wide // 2 if family == "qwen" else wide,
        "vocab": number("vocab_size"),
        "max_positions": number("max_position_embeddings", "seq_length"),
        "rope_theta": float(theta) if theta else 10_000.0,
        "norm_epsilon": float(epsilon) if epsilon else 1e-6,
        "tied": config.get("tie_word_embeddings") is True,
        "dtype": str(config.get("torch_dtype") or config.get("dtype") or "bfloat16"),
        "experts": number("num_experts") if moe else 0,
        "moe_intermediate": number("moe_intermediate_size") if moe else 0,
        "shared_intermediate": number("shared_expert_intermediate_size") if family == "qwen2_moe" else 0,
    }


def _check_shards(folder: Path) -> int:
    """Bytes of the weights. Half a download is found here, not after an hour of conversion."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        places = _json(index).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise CheckpointError(f"{index} has no weight_map: download the checkpoint again")
        names = sorted({str(name) for name in places.values()})
    else:
        names = sorted(path.name for path in folder.glob("*.safetensors"))
        if not names:
            return _other_weights(folder)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise CheckpointError(
            f"{folder} misses {len(missing)} of {len(names)} shards ({shown}): finish the download and try again"
        )
    return sum(_whole(folder / name) for name in names)


def _whole(path: Path) -> int:
    """The size of a shard, if it is as long as its header says."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > size:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    except (OSError, struct.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise CheckpointError(f"{path} is no safetensors file ({error}): download it again") from error
    if 8 + length + max(ends, default=0) > size:
        raise CheckpointError(f"{path} is cut short: download it again")
    return size


def _other_weights(folder: Path) -> int:
    files = list(folder.glob("*.bin"))
    if not files:
        raise CheckpointError(f"{folder} has no weights: download its *.safetensors files")
    return sum(path.stat().st_size for path in files)


@functools.cache
def _published() -> dict[str, dict[str, Any]]:
    data = json.loads(resources.files("model_repo_builder").joinpath("contracts/qwen_models.json").read_text("utf-8"))
    names = {spec.name for spec in fields(QwenFacts)}
    return {name.lower(): {key: value for key, value in row.items() if key in names} for name, row in data.items()}


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return data
