"""Weights → GGUF (8 bit, with the tokenizer inside), and GGUF → a checkpoint folder that transformers loads.

`python -m seedling.gguf_file MODEL.gguf FOLDER` makes the checkpoint: the same 8-bit weights, written out in full, so that both
forms are one model. Needs `gguf` and `numpy`; the checkpoint also needs `safetensors`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

from seedling.shape import ADDED, SEEDLING, SPECIAL, Shape

Array = npt.NDArray[np.float32]
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
PER_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
Q8 = gguf.GGMLQuantizationType.Q8_0
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json")


def names(shape: Shape) -> dict[str, str]:
    """transformers' name → GGUF's name, for every tensor."""
    table = {f"{name}.weight": f"{ours}.weight" for name, ours in WHOLE.items()}
    for layer in range(shape.layers):
        table |= {
            f"model.layers.{layer}.{name}.weight": f"blk.{layer}.{ours}.weight" for name, ours in PER_LAYER.items()
        }
    return table


def write(path: Path, weights: Mapping[str, Array], tokenizer_folder: Path, shape: Shape = SEEDLING) -> None:
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("Seedling")
    writer.add_description("A tiny Qwen3 for the demo and the tests of qwen-triton-gateway")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_vocab_size(shape.vocab)
    _add_tokenizer(writer, tokenizer_folder, shape)
    for name, ours in names(shape).items():
        weight = np.ascontiguousarray(weights[name], dtype=np.float32)
        if weight.ndim == 1:
            writer.add_tensor(ours, weight)
        else:
            writer.add_tensor(ours, gguf.quants.quantize(weight, Q8), raw_dtype=Q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, shape: Shape) -> None:
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    template = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["chat_template"]
    ids: dict[str, int] = dict(content["model"]["vocab"])
    ids |= {entry["content"]: entry["id"] for entry in content["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    if [ids[token] for token in tokens] != list(range(shape.vocab)):
        raise SystemExit(
            f"{folder} does not hold the {shape.vocab} tokens of this model; run seedling.vocabulary again."
        )
    kinds = {**dict.fromkeys(SPECIAL, gguf.TokenType.CONTROL), **dict.fromkeys(ADDED, gguf.TokenType.USER_DEFINED)}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    )
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)


def read(path: Path, shape: Shape = SEEDLING) -> dict[str, Array]:
    """The weights as the engine sees them: 8-bit values times their scales."""
    theirs = {ours: name for name, ours in names(shape).items()}
    return {
        theirs[tensor.name]: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for tensor in gguf.GGUFReader(path).tensors
    }


def write_checkpoint(path: Path, folder: Path, tokenizer_folder: Path) -> None:
    from safetensors.numpy import save_file  # only this direction needs it

    folder.mkdir(parents=True, exist_ok=True)
    save_file(read(path), folder / "model.safetensors", metadata={"format": "pt"})
    for name in TOKENIZER_FILES:
        shutil.copy(tokenizer_folder / name, folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    write_checkpoint(arguments.gguf, arguments.folder, arguments.gguf.parent)


if __name__ == "__main__":
    main()
