"""How much GPU memory an engine takes, and how many sequences fit beside it: an estimate from sizes alone.

Knows the layout of a Qwen over ranks: what tensor and pipeline parallelism split, what every rank keeps whole. Must not
know flags. Nothing here was measured on a GPU: weights and cache follow from the sizes, the rest is a rule of thumb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from model_repo_builder.qwen import QwenFacts
from model_repo_builder.recipe import Recipe

GIB = 2**30
_GROUP = 128  # weights that share a 16-bit scale in AWQ
_MATRIX_BYTES = {
    "none": 2.0,
    "int8_weight_only": 1.0,
    "int4_weight_only": 0.5,
    "smoothquant": 1.0,
    "int8_sq": 1.0,
    "int4_awq": 0.5 + 2 / _GROUP,
    "w4a8_awq": 0.5 + 2 / _GROUP,
    "fp8": 1.0,
}
_CACHE_BYTES = {"bfloat16": 2, "float16": 2, "int8": 1, "fp8": 1}
_RUNTIME = GIB  # CUDA context, TensorRT, workspaces of the libraries
_DEFAULT_FRACTION = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of the fullest rank, in bytes; ``all_weights`` is what all ranks have on disk together."""

    gpu: int
    weights: int
    all_weights: int
    activations: int
    runtime: int
    cache_per_token: int
    cache: int
    tokens: int
    sequence_len: int
    sequences: int

    @property
    def fits(self) -> bool:
        return self.sequences > 0


def estimate(facts: QwenFacts, recipe: Recipe, longest: int) -> Estimate:
    """``longest`` is the longest sequence of the engine, prompt and answer together."""
    weights = weight_bytes(facts, recipe)
    activations = _activations(facts, recipe)
    gpu = int(recipe.gpu_memory_gib * GIB)
    fraction = recipe.repository.get("kv_cache_free_gpu_mem_fraction", _DEFAULT_FRACTION)
    share = fraction if isinstance(fraction, float) else _DEFAULT_FRACTION
    cache = max(0, int((gpu - weights - activations - _RUNTIME) * share))
    per_token = cache_bytes_per_token(facts, recipe)
    block = recipe.tokens_per_block
    tokens = cache // (per_token * block) * block
    length = min(recipe.sequence_len or longest, longest)
    return Estimate(
        gpu=gpu,
        weights=weights,
        all_weights=_all_weights(facts, recipe),
        activations=activations,
        runtime=_RUNTIME,
        cache_per_token=per_token,
        cache=cache,
        tokens=tokens,
        sequence_len=length,
        sequences=min(tokens // (math.ceil(length / block) * block), recipe.max_batch_size * recipe.pp_size),
    )


def weight_bytes(facts: QwenFacts, recipe: Recipe) -> int:
    """Of the rank that holds most."""
    layers = math.ceil(facts.layers / recipe.pp_size)
    table = facts.embedding_parameters * 2
    tokens_in = table / recipe.tp_size if recipe.parallel_embedding else table
    # Tied embeddings are written twice: once whole, and once split, for the logits.
    tokens_out = table / recipe.tp_size
    ends = tokens_in + tokens_out if recipe.pp_size == 1 else max(tokens_in, tokens_out)
    return int(layers * _layer_bytes(facts, recipe) + ends)


def cache_bytes_per_token(facts: QwenFacts, recipe: Recipe) -> int:
    """Key and value of every layer of a rank. Fewer heads than ranks: each rank keeps a copy of one."""
    layers = math.ceil(facts.layers / recipe.pp_size)
    heads = max(1, facts.kv_heads // recipe.tp_size)
    return 2 * layers * heads * facts.head_dim * _CACHE_BYTES[recipe.effective_kv_cache]


def _layer_bytes(facts: QwenFacts, recipe: Recipe) -> float:
    copied = max(facts.kv_heads, recipe.tp_size) - facts.kv_heads
    matrices = facts.layer_parameters + 2 * facts.hidden * facts.head_dim * copied
    return matrices / recipe.tp_size * _MATRIX_BYTES[recipe.quantization] + facts.layer_extras * 2


def _all_weights(facts: QwenFacts, recipe: Recipe) -> int:
    """Every rank has its own file; embeddings that are not split lie in each file of the first pipeline stage."""
    table = facts.embedding_parameters * 2
    tables = table * (1 if recipe.parallel_embedding else recipe.tp_size) + table
    return int(facts.layers * _layer_bytes(facts, recipe) * recipe.tp_size + tables)


def _activations(facts: QwenFacts, recipe: Recipe) -> int:
    """A rule of thumb: a few hidden states and the MLP of one layer for every token of a step, and the logits."""
    wide = max(facts.intermediate, facts.moe_intermediate + facts.shared_intermediate)
    per_token = 2 * (4 * facts.hidden + 3 * wide // recipe.tp_size)
    logits = recipe.max_batch_size * recipe.max_beam_width * facts.vocab * 4
    return recipe.max_num_tokens * per_token + logits
