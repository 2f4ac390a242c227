"""Qwen2 and Qwen3 in numpy, straight from a GGUF file: the greedy tokens that a right engine makes.

Plain and slow: one sequence, all of it anew for each token, in float64. It shares no code with any engine, which is
its worth.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class NumpyQwen:
    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(str(path))
        fields = {name: field.contents() for name, field in reader.fields.items()}
        architecture = fields["general.architecture"]

        def number(key: str) -> Any:
            return fields[f"{architecture}.{key}"]

        self._weights = {tensor.name: np.asarray(tensor.data, dtype=np.float64) for tensor in reader.tensors}
        self._layers: int = number("block_count")
        self._heads: int = number("attention.head_count")
        self._kv_heads: int = number("attention.head_count_kv")
        self._theta: float = number("rope.freq_base")
        self._epsilon: float = number("attention.layer_norm_rms_epsilon")
        self._head_size: int = number("attention.key_length")

    def greedy(self, prompt: Sequence[int], count: int) -> list[int]:
        ids = list(prompt)
        for _ in range(count):
            ids.append(int(np.argmax(self.logits(ids))))
        return ids[len(prompt) :]

    def log_probs(self, prompt: Sequence[int], ids: Sequence[int]) -> list[float]:
        """Log-probability of each of ``ids``, given everything before it."""
        found = []
        for index, token in enumerate(ids):
            logits = self.logits([*prompt, *ids[:index]])
            top = logits.max()
            found.append(float(logits[token] - top - np.log(np.exp(logits - top).sum())))
        return found

    def logits(self, ids: Sequence[int]) -> Array:
        """Of the token after ``ids``."""
        hidden = self._weights["token_embd.weight"][list(ids)]
        for layer in range(self._layers):
            block = f"blk.{layer}"
            hidden = hidden + self._attention(block, self._norm(hidden, f"{block}.attn_norm"))
            inner = self._norm(hidden, f"{block}.ffn_norm")
            gate = self._linear(inner, f"{block}.ffn_gate")
            product = gate / (1 + np.exp(-gate)) * self._linear(inner, f"{block}.ffn_up")
            hidden = hidden + self._linear(product, f"{block}.ffn_down")
        last = self._norm(hidden[-1:], "output_norm")
        head = "output" if "output.weight" in self._weights else "token_embd"
        return np.asarray(self._linear(last, head)[0])

    def _attention(self, block: str, hidden: Array) -> Array:
        length = len(hidden)
        q = self._linear(hidden, f"{block}.attn_q").reshape(length, self._heads, self._head_size)
        k = self._linear(hidden, f"{block}.attn_k").reshape(length, self._kv_heads, self._head_size)
        v = self._linear(hidden, f"{block}.attn_v").reshape(length, self._kv_heads, self._head_size)
        if f"{block}.attn_q_norm.weight" in self._weights:
            q, k = self._norm(q, f"{block}.attn_q_norm"), self._norm(k, f"{block}.attn_k_norm")
        q, k = self._rotate(q), self._rotate(k)
        share = self._heads // self._kv_heads
        k, v = np.repeat(k, share, axis=1), np.repeat(v, share, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self._head_size)
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", scores, v).reshape(length, -1)
        return self._linear(mixed, f"{block}.attn_output")

    def _rotate(self, values: Array) -> Array:
        half = self._head_size // 2
        speeds = self._theta ** -(np.arange(half) / half)
        angles = np.arange(len(values))[:, None, None] * speeds
        first, second = values[..., :half], values[..., half:]
        turned = (
            first * np.cos(angles) - second * np.sin(angles),
            second * np.cos(angles) + first * np.sin(angles),
        )
        return np.concatenate(turned, axis=-1)

    def _linear(self, values: Array, name: str) -> Array:
        bias = self._weights.get(f"{name}.bias", 0.0)
        return np.asarray(values @ self._weights[f"{name}.weight"].T + bias)

    def _norm(self, values: Array, name: str) -> Array:
        scale = np.sqrt(np.mean(values**2, axis=-1, keepdims=True) + self._epsilon)
        return np.asarray(values / scale * self._weights[f"{name}.weight"])
