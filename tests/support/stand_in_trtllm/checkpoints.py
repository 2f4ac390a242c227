"""TensorRT-LLM checkpoints: config.json with the keys of a Qwen, and a small safetensors file per rank."""

import json
import struct
from pathlib import Path
from typing import Any

from tests.support.stand_in_trtllm import control

_TYPES = {"qwen": "QWenForCausalLM", "qwen2": "QWenForCausalLM", "qwen2_moe": "QWenForCausalLM"}


def config(
    model: Path, *, dtype: str, tp_size: int, pp_size: int, quant_algo: str | None, kv_cache: str | None
) -> dict[str, Any]:
    """``model`` is a Hugging Face folder."""
    given: dict[str, Any] = json.loads((model / "config.json").read_text())
    return {
        "architecture": _TYPES.get(given["model_type"], "Qwen3ForCausalLM"),
        "dtype": given.get("torch_dtype", "bfloat16") if dtype == "auto" else dtype,
        "logits_dtype": "float32",
        "vocab_size": given["vocab_size"],
        "max_position_embeddings": given["max_position_embeddings"],
        "hidden_size": given["hidden_size"],
        "num_hidden_layers": given["num_hidden_layers"],
        "num_attention_heads": given["num_attention_heads"],
        "num_key_value_heads": given["num_key_value_heads"],
        "hidden_act": "silu",
        "intermediate_size": given["intermediate_size"],
        "norm_epsilon": given["rms_norm_eps"],
        "position_embedding_type": "rope_gpt_neox",
        "rotary_base": given["rope_theta"],
        "qwen_type": given["model_type"],
        "mapping": {"world_size": tp_size * pp_size, "tp_size": tp_size, "pp_size": pp_size},
        "quantization": {"quant_algo": quant_algo, "kv_cache_quant_algo": kv_cache},
    }


def write(folder: Path, values: dict[str, Any], tool: str, ranks: tuple[int, ...] | None = None) -> None:
    """All ranks, or those given; rank 0 writes config.json, as the real tools do."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = range(values["mapping"]["world_size"]) if ranks is None else ranks
    if 0 in chosen:
        (folder / "config.json").write_text(json.dumps(values, indent=4))
    for rank in chosen:
        (folder / f"rank{rank}.safetensors").write_bytes(b"half")
        control.point(tool)
        text = json.dumps([values["dtype"], values["quantization"], rank]).encode()
        (folder / f"rank{rank}.safetensors").write_bytes(safetensors({"transformer.ln_f.weight": text}))


def safetensors(tensors: dict[str, bytes]) -> bytes:
    """Bytes as tensors of U8."""
    header, start = {}, 0
    for name, data in tensors.items():
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [start, start + len(data)]}
        start += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


def has_logits_table(model: Path) -> bool:
    for path in model.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        if "lm_head.weight" in header:
            return True
    return False
