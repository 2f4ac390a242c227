"""Values, streaming, wiring and the machine: each row breaks a good repository in one way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.subject import Machine, read_repository
from tests.model_repo_builder.doctor.repositories import change, edit, good_repository, rows

QUIET = Machine(shm_bytes=2**34)
Row = tuple[str, Callable[[Path], object], tuple[str, str, str]]


def engine(**parameters: str) -> Callable[[Path], object]:
    return lambda repository: edit(repository, "tensorrt_llm", **parameters)


def changed(model: str, how: Callable[[Any], object]) -> Callable[[Path], object]:
    return lambda repository: change(repository, model, how)


def count(model: str, number: int) -> Callable[[Path], object]:
    return changed(model, lambda config: setattr(config.instance_group[0], "count", number))


def batch(model: str, size: int) -> Callable[[Path], object]:
    return changed(model, lambda config: setattr(config, "max_batch_size", size))


def decoupled(model: str, value: bool) -> Callable[[Path], object]:
    return changed(model, lambda config: setattr(config.model_transaction_policy, "decoupled", value))


def step(index: int, how: Callable[[Any], object]) -> Callable[[Path], object]:
    return changed("ensemble", lambda config: how(config.ensemble_scheduling.step[index]))


VALUES: list[Row] = [
    ("batching", engine(gpt_model_type="inflight"), ("error", "enum", "tensorrt_llm")),
    ("policy", engine(batch_scheduler_policy="guaranteed_completion"), ("warning", "enum", "tensorrt_llm")),
    ("decoding", engine(decoding_mode="greedy"), ("warning", "enum", "tensorrt_llm")),
    ("guides", engine(guided_decoding_backend="outlines"), ("warning", "enum", "tensorrt_llm")),
    ("boolean", engine(enable_kv_cache_reuse="maybe"), ("warning", "boolean", "tensorrt_llm")),
    ("fraction", engine(kv_cache_free_gpu_mem_fraction="90"), ("error", "number", "tensorrt_llm")),
    ("no number", engine(max_beam_width="one"), ("error", "number", "tensorrt_llm")),
    ("all memory", engine(kv_cache_free_gpu_mem_fraction="0.99"), ("warning", "cache-fraction", "tensorrt_llm")),
    ("two limits", engine(max_tokens_in_paged_kv_cache="9000"), ("note", "cache-twice", "tensorrt_llm")),
    ("evicting", engine(batch_scheduler_policy="max_utilization"), ("warning", "max-utilization", "tensorrt_llm")),
    (
        "queue delay",
        changed("tensorrt_llm", lambda c: setattr(c.dynamic_batching, "max_queue_delay_microseconds", 10_000_000)),
        ("warning", "queue-delay", "tensorrt_llm"),
    ),
    (
        "instances on GPUs",
        changed("tensorrt_llm", lambda c: setattr(c.instance_group[0], "kind", 1)),
        ("warning", "instance-kind", "tensorrt_llm"),
    ),
    ("two engines on one GPU", count("tensorrt_llm", 2), ("error", "engine-instances", "tensorrt_llm")),
]
STREAMING: list[Row] = [
    ("decoupled differs", decoupled("tensorrt_llm_bls", False), ("error", "decoupled", "tensorrt_llm_bls")),
    ("nobody streams", decoupled("tensorrt_llm", False), ("warning", "not-decoupled", "tensorrt_llm")),
    ("postprocessing", count("postprocessing", 4), ("error", "postprocessing-instances", "postprocessing")),
    ("bls", count("tensorrt_llm_bls", 1), ("warning", "bls-instances", "tensorrt_llm_bls")),
    ("a smaller step", batch("preprocessing", 4), ("error", "batch-size", "preprocessing")),
    ("a larger step", batch("preprocessing", 64), ("warning", "batch-size", "preprocessing")),
    (
        "accumulated text",
        lambda repository: edit(repository, "tensorrt_llm_bls", accumulate_tokens="True"),
        ("warning", "accumulate-tokens", "tensorrt_llm_bls"),
    ),
    (
        "official text",
        lambda repository: (repository / "postprocessing" / "1" / "utf8_stream.py").unlink(),
        ("note", "split-characters", "postprocessing"),
    ),
]
WIRING: list[Row] = [
    (
        "no such model",
        step(0, lambda each: setattr(each, "model_name", "pre")),
        ("error", "wiring-model", "ensemble"),
    ),
    ("unknown input", step(1, lambda each: each.input_map.update(seed="seed")), ("error", "wiring", "ensemble")),
    ("unknown output", step(0, lambda each: each.output_map.update(X="_X")), ("error", "wiring", "ensemble")),
    ("required input", step(1, lambda each: each.input_map.pop("input_ids")), ("error", "wiring", "ensemble")),
    ("no source", step(1, lambda each: each.input_map.update(input_ids="_IDS")), ("error", "wiring", "ensemble")),
    (
        "two types",
        changed("preprocessing", lambda c: setattr(c.output[0], "data_type", 9)),
        ("error", "wiring", "ensemble"),
    ),
    (
        "no such callee",
        lambda repository: edit(repository, "tensorrt_llm_bls", tensorrt_llm_model_name="engine"),
        ("error", "callee", "tensorrt_llm_bls"),
    ),
]
ALL = VALUES + STREAMING + WIRING


@pytest.mark.parametrize(("broken", "expected"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_what_is_broken_is_found(tmp_path: Path, broken: Callable[[Path], object], expected: tuple[str, ...]) -> None:
    repository = good_repository(tmp_path)
    broken(repository)
    assert expected in rows(examine(read_repository(repository, QUIET)))


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(), set()),
        (Machine(shm_bytes=2**30), set()),
        (Machine(shm_bytes=64 * 2**20), {("warning", "shm-size", "this machine")}),
        (Machine(2**34, ("triton_python_backend_shm_region_1",)), {("warning", "shm-leftovers", "this machine")}),
    ],
    ids=["not known", "enough", "what Docker gives", "a killed server"],
)
def test_the_machine(tmp_path: Path, machine: Machine, expected: set[tuple[str, str, str]]) -> None:
    assert rows(examine(read_repository(good_repository(tmp_path), machine))) == expected
