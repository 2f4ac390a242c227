"""A tiny Qwen2 or Qwen3 with random weights as a GGUF file, made in a second from numpy and the gguf writer.

Its text is noise, but the same noise every time: the seed is fixed. It serves where a real engine has to
run and what it says does not matter. ``python -m tests.support.tiny_qwen FOLDER`` writes
``FOLDER/tiny-qwen.gguf`` and ``FOLDER/tokenizer/``.

It knows the GGUF names of Qwen's tensors. It must not know Triton or the pipeline that will run the file.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from tests.support.tokenizer import CONTROL_TOKENS, MARKUP_TOKENS, TokenizerFolder, write_tokenizer

FILE_TYPE_F16 = 1


@dataclass(frozen=True, slots=True)
class TinyShape:
    """How large the model is. The defaults make about 0.4 million weights."""

    architecture: str = "qwen2"
    layers: int = 2
    hidden: int = 128
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 256
    context: int = 2048
    padded_vocab: int | None = None
    """Size of the logits, where it is larger than the tokenizer's vocabulary (as 151,936 is for Qwen2)."""
    seed: int = 20240607

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads


def write_tiny_qwen(path: Path, tokenizer: TokenizerFolder, shape: TinyShape | None = None) -> Path:
    """Write the model to ``path``; its vocabulary and special tokens are those of ``tokenizer``."""
    shape = shape or TinyShape()
    vocab_size = max(shape.padded_vocab or 0, tokenizer.vocab_size)
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    writer.add_name("Tiny Qwen with random weights")
    writer.add_file_type(FILE_TYPE_F16)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_size)
    writer.add_value_length(shape.head_size)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(vocab_size)
    _add_tokenizer(writer, tokenizer, vocab_size)
    for name, values in _weights(shape, vocab_size).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, folder: TokenizerFolder, vocab_size: int) -> None:
    document = json.loads((folder.path / "tokenizer.json").read_text(encoding="utf-8"))
    vocab: dict[str, int] = document["model"]["vocab"]
    texts = {index: text for text, index in vocab.items()}
    texts |= {entry["id"]: entry["content"] for entry in document["added_tokens"]}
    kinds = dict.fromkeys(CONTROL_TOKENS, gguf.TokenType.CONTROL)
    kinds |= dict.fromkeys(MARKUP_TOKENS, gguf.TokenType.USER_DEFINED)
    tokens = [texts.get(index, f"[PAD{index}]") for index in range(vocab_size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [
            kinds.get(text, gguf.TokenType.NORMAL if index in texts else gguf.TokenType.UNUSED)
            for index, text in enumerate(tokens)
        ]
    )
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in document["model"]["merges"]]
    )
    writer.add_bos_token_id(folder.pad_id)
    writer.add_eos_token_id(folder.end_id)
    writer.add_pad_token_id(folder.pad_id)
    settings = json.loads((folder.path / "tokenizer_config.json").read_text(encoding="utf-8"))
    writer.add_chat_template(settings["chat_template"])


def _weights(shape: TinyShape, vocab_size: int) -> dict[str, NDArray[np.generic]]:
    random = np.random.default_rng(shape.seed)
    kv_size = shape.kv_heads * shape.head_size

    def matrix(rows: int, columns: int, scale: float) -> NDArray[np.generic]:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float16)

    def bias(size: int) -> NDArray[np.generic]:
        return (random.standard_normal(size) * 0.5).astype(np.float32)

    def ones(size: int) -> NDArray[np.generic]:
        return np.ones(size, dtype=np.float32)

    wide = shape.hidden**-0.5
    weights: dict[str, NDArray[np.generic]] = {"token_embd.weight": matrix(vocab_size, shape.hidden, 1.0)}
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        weights[f"{block}.attn_norm.weight"] = ones(shape.hidden)
        weights[f"{block}.attn_q.weight"] = matrix(shape.hidden, shape.hidden, 2 * wide)
        weights[f"{block}.attn_k.weight"] = matrix(kv_size, shape.hidden, 2 * wide)
        weights[f"{block}.attn_v.weight"] = matrix(kv_size, shape.hidden, wide)
        if shape.architecture == "qwen2":
            weights[f"{block}.attn_q.bias"] = bias(shape.hidden)
            weights[f"{block}.attn_k.bias"] = bias(kv_size)
            weights[f"{block}.attn_v.bias"] = bias(kv_size)
        else:
            weights[f"{block}.attn_q_norm.weight"] = ones(shape.head_size)
            weights[f"{block}.attn_k_norm.weight"] = ones(shape.head_size)
        weights[f"{block}.attn_output.weight"] = matrix(shape.hidden, shape.hidden, 2 * wide)
        weights[f"{block}.ffn_norm.weight"] = ones(shape.hidden)
        weights[f"{block}.ffn_gate.weight"] = matrix(shape.feed_forward, shape.hidden, 2 * wide)
        weights[f"{block}.ffn_up.weight"] = matrix(shape.feed_forward, shape.hidden, 2 * wide)
        weights[f"{block}.ffn_down.weight"] = matrix(shape.hidden, shape.feed_forward, 2 * wide)
    weights["output_norm.weight"] = ones(shape.hidden)
    weights["output.weight"] = matrix(vocab_size, shape.hidden, 2 * wide)
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a tiny Qwen with random weights and its tokenizer.")
    parser.add_argument("folder", type=Path, help="folder to write into; made if it is not there")
    parser.add_argument("--architecture", choices=("qwen2", "qwen3"), default="qwen2")
    options = parser.parse_args()
    tokenizer = write_tokenizer(options.folder / "tokenizer")
    write_tiny_qwen(options.folder / "tiny-qwen.gguf", tokenizer, TinyShape(architecture=options.architecture))


if __name__ == "__main__":
    main()
