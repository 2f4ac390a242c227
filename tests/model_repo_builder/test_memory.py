"""The estimate, held to numbers that one can work out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from model_repo_builder import qwen, recipe
from model_repo_builder.memory import GIB, cache_bytes_per_token, estimate, weight_bytes


def of(model: str, **keys: Any) -> tuple[qwen.QwenFacts, recipe.Recipe]:
    facts = qwen.known(model)
    assert facts is not None
    return facts, recipe.make({"model": model, **keys})


@pytest.mark.parametrize(
    ("model", "keys", "expected"),
    [
        ("Qwen1.5-14B", {}, 2 * 40 * 40 * 128 * 2),
        ("Qwen1.5-14B", {"tp_size": 2}, 2 * 40 * 20 * 128 * 2),
        ("Qwen1.5-14B", {"pp_size": 2}, 2 * 20 * 40 * 128 * 2),
        ("Qwen1.5-14B", {"quantization": "fp8"}, 2 * 40 * 40 * 128),
        ("Qwen1.5-14B", {"quantization": "fp8", "kv_cache_dtype": "model"}, 2 * 40 * 40 * 128 * 2),
        ("Qwen1.5-14B", {"kv_cache_dtype": "int8"}, 2 * 40 * 40 * 128),
        ("Qwen2.5-7B", {}, 2 * 28 * 4 * 128 * 2),
        ("Qwen2.5-7B", {"tp_size": 4}, 2 * 28 * 1 * 128 * 2),
        ("Qwen2.5-14B", {"tp_size": 16}, 2 * 48 * 1 * 128 * 2),  # more ranks than heads: each keeps a copy
        ("Qwen3-8B", {}, 2 * 36 * 8 * 128 * 2),
    ],
    ids=str,
)
def test_cache_per_token_and_rank(model: str, keys: dict[str, Any], expected: int) -> None:
    assert cache_bytes_per_token(*of(model, **keys)) == expected


def test_weights_in_16_bits_are_two_bytes_for_each_parameter() -> None:
    facts, asked = of("Qwen1.5-14B")
    assert weight_bytes(facts, asked) == pytest.approx(2 * facts.parameters, rel=1e-4)


@pytest.mark.parametrize(
    ("quantization", "bytes_each"),
    [("int8_weight_only", 1), ("fp8", 1), ("int4_weight_only", 0.5), ("int4_awq", 0.515625), ("smoothquant", 1)],
)
def test_quantization_makes_matrices_smaller_and_leaves_the_tables(quantization: str, bytes_each: float) -> None:
    facts, asked = of("Qwen1.5-14B", quantization=quantization)
    tables = 2 * 2 * facts.embedding_parameters
    matrices = facts.layers * facts.layer_parameters * bytes_each
    assert weight_bytes(facts, asked) == pytest.approx(tables + matrices, rel=1e-3)


def test_tensor_parallelism_splits_all_but_the_embeddings() -> None:
    facts, one = of("Qwen1.5-14B")
    two, parallel = (of("Qwen1.5-14B", tp_size=2, parallel_embedding=split)[1] for split in (False, True))
    table = 2 * facts.embedding_parameters
    assert weight_bytes(facts, two) == pytest.approx((weight_bytes(facts, one) + table) / 2, rel=1e-3)
    assert weight_bytes(facts, two) - weight_bytes(facts, parallel) == table // 2


def test_tied_embeddings_are_two_tables_in_an_engine() -> None:
    facts, asked = of("Qwen2.5-0.5B")
    assert weight_bytes(facts, asked) == pytest.approx(2 * (facts.parameters + facts.embedding_parameters), rel=1e-3)


def test_sequences_fill_what_is_left_and_no_more() -> None:
    facts, asked = of("Qwen1.5-14B", max_batch_size=64, gpu_memory_gib=80, sequence_len=1000)
    made = estimate(facts, asked, 8192)
    assert made.tokens * made.cache_per_token <= made.cache < (made.tokens + 64) * made.cache_per_token
    assert made.sequences == made.tokens // 1024  # 1000 tokens take 16 blocks of 64
    assert made.weights + made.activations + made.runtime + made.cache <= 80 * GIB


@pytest.mark.parametrize(("gib", "fits"), [(24, False), (40, True), (80, True)])
def test_whether_it_fits(gib: int, fits: bool) -> None:
    facts, asked = of("Qwen1.5-14B", gpu_memory_gib=gib)
    assert estimate(facts, asked, 8192).fits is fits


def test_no_more_sequences_than_the_batch_holds() -> None:
    facts, asked = of("Qwen2.5-0.5B", max_batch_size=4)
    assert estimate(facts, asked, 2048).sequences == 4
