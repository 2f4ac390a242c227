"""The shape of the network and where its files lie: one place for the numbers that several scripts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "model_repo_builder" / "seedling"
GGUF_NAME = "seedling-q8_0.gguf"


@dataclass(frozen=True, slots=True)
class Shape:
    vocab: int = 5000
    hidden: int = 384
    layers: int = 6
    heads: int = 6
    kv_heads: int = 2
    feed_forward: int = 960
    context: int = 4096
    rope_theta: float = 10000.0
    norm_eps: float = 1e-6

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


SEEDLING = Shape()
# The last entries of the vocabulary, in this order. Qwen marks the first three as special and the rest as ordinary added tokens.
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ADDED = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
