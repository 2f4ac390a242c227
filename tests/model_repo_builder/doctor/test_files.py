"""The engine folder and the tokenizer: each row breaks a good repository, or the files it names, in one way."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder import lock
from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.subject import Machine, read_repository
from tests.model_repo_builder.doctor.repositories import change, edit, good_repository, replace_text, rows
from tests.model_repo_builder.shapes import write_tokenizer_files

QUIET = Machine(shm_bytes=2**34)


def built(**changes: Any) -> Callable[[Path], object]:
    """Change the engine's config.json: dotted paths with __ between the names."""

    def how(repository: Path) -> None:
        path = repository.parent / "engine" / "config.json"
        data = json.loads(path.read_text())
        for name, value in changes.items():
            *parents, last = name.split("__")
            inner = data
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[last] = value
        path.write_text(json.dumps(data))

    return how


def both(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda repository: [step(repository) for step in steps]


def asked(**parameters: str | None) -> Callable[[Path], object]:
    return lambda repository: edit(repository, "tensorrt_llm", **parameters)


def in_gateway(old: str, new: str) -> Callable[[Path], object]:
    def how(repository: Path) -> None:
        path = repository / "gateway.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return how


def tokenizer(**files: Any) -> Callable[[Path], object]:
    def how(repository: Path) -> None:
        shutil.rmtree(repository.parent / "tokenizer")
        write_tokenizer_files(repository.parent / "tokenizer", **files)

    return how


def locked(repository: Path) -> None:
    """The lock of a build whose engine file was another."""
    engine = repository.parent / "engine"
    lock.write(lock.Lock("0.10.0", engine, {"rank0.engine": "sha256:0"}), repository)


NO_QWEN = {
    "tokenizer.json": {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1, "content": "</s>"}]},
    "tokenizer_config.json": {"eos_token": "</s>"},
    "generation_config.json": None,
    "config.json": {"model_type": "llama"},
}
MORE_BEAMS = both(asked(max_beam_width="4"), built(build_config__max_beam_width=2))
UNPAGED = built(build_config__plugin_config__use_paged_context_fmha=False)
ENGINE: list[tuple[str, Callable[[Path], object], tuple[str, str, str]]] = [
    ("gone", lambda r: shutil.rmtree(r.parent / "engine"), ("error", "engine-folder", "tensorrt_llm")),
    ("no config", lambda r: (r.parent / "engine/config.json").unlink(), ("error", "engine-folder", "tensorrt_llm")),
    (
        "a config of something else",
        lambda r: (r.parent / "engine/config.json").write_text("{"),
        ("error", "engine-folder", "tensorrt_llm"),
    ),
    ("no rank", lambda r: (r.parent / "engine/rank0.engine").unlink(), ("error", "engine-ranks", "tensorrt_llm")),
    ("a rank missing", built(pretrained_config__mapping__world_size=2), ("error", "engine-ranks", "tensorrt_llm")),
    ("batch", built(build_config__max_batch_size=4), ("error", "engine-size", "tensorrt_llm")),
    ("beams", MORE_BEAMS, ("error", "engine-size", "tensorrt_llm")),
    ("length", in_gateway("max_model_len = 1536", "max_model_len = 9999"), ("error", "engine-length", "gateway.toml")),
    ("reuse", both(asked(enable_kv_cache_reuse="true"), UNPAGED), ("error", "paged-context", "tensorrt_llm")),
    ("chunks", UNPAGED, ("error", "paged-context", "tensorrt_llm")),
    (
        "reuse of an INT8 cache",
        both(asked(enable_kv_cache_reuse="true"), built(pretrained_config__quantization__kv_cache_quant_algo="INT8")),
        ("error", "reuse-int8", "tensorrt_llm"),
    ),
    (
        "no paged cache",
        built(build_config__plugin_config__paged_kv_cache=False),
        ("error", "engine-batching", "tensorrt_llm"),
    ),
    (
        "a new kind of cache",
        built(build_config__kv_cache_type="DISABLED"),
        ("error", "engine-batching", "tensorrt_llm"),
    ),
    ("another release", built(version="0.16.0"), ("error", "engine-version", "tensorrt_llm")),
    (
        "another release, and models of none",
        both(built(version="0.16.0"), lambda r: change(r, "tensorrt_llm", lambda c: c.output.add(name="mine"))),
        ("warning", "engine-version", "tensorrt_llm"),
    ),
    ("another engine than was built", locked, ("error", "lock", "build.lock.json")),
    (
        "a damaged lock",
        lambda r: (r / "build.lock.json").write_text("{"),
        ("error", "lock", "build.lock.json"),
    ),
    ("a release of the future", built(version="9.0.0"), ("warning", "engine-version", "tensorrt_llm")),
    ("no release", built(version=""), ("warning", "engine-version", "tensorrt_llm")),
    ("logits", built(pretrained_config__logits_dtype="float16"), ("warning", "logits-type", "tensorrt_llm")),
]
TOKENIZER: list[tuple[str, Callable[[Path], object], tuple[str, str, str]]] = [
    ("gone", lambda r: shutil.rmtree(r.parent / "tokenizer"), ("error", "tokenizer", "preprocessing")),
    ("empty", tokenizer(**{"tokenizer.json": None}), ("error", "tokenizer", "postprocessing")),
    ("another model", tokenizer(**NO_QWEN), ("warning", "tokenizer-qwen", "preprocessing")),
    (
        "a name on the hub",
        lambda r: edit(r, "preprocessing", tokenizer_dir="Qwen/Qwen2-7B"),
        ("warning", "tokenizer-name", "preprocessing"),
    ),
    (
        "two tokenizers",
        lambda r: edit(r, "postprocessing", tokenizer_dir=str(write_tokenizer_files(r.parent / "other"))),
        ("warning", "tokenizer-differs", "preprocessing"),
    ),
    (
        "special tokens twice",
        lambda r: edit(r, "preprocessing", add_special_tokens="True"),
        ("warning", "add-special-tokens", "preprocessing"),
    ),
    (
        "special tokens by default",
        lambda r: edit(r, "preprocessing", add_special_tokens=None),
        ("warning", "add-special-tokens", "preprocessing"),
    ),
    ("the prompt", asked(exclude_input_in_output="false"), ("warning", "exclude-input", "tensorrt_llm")),
    ("an end id", in_gateway("eos_token_ids = [5, 3]", "eos_token_ids = [5]"), ("warning", "end-ids", "gateway.toml")),
    ("no gateway", lambda r: (r / "gateway.toml").unlink(), ("note", "end-ids", "preprocessing")),
]
ALL = ENGINE + TOKENIZER


@pytest.mark.parametrize(
    ("broken", "expected"), [row[1:] for row in ALL], ids=[f"{row[2][1]}: {row[0]}" for row in ALL]
)
def test_what_is_broken_is_found(tmp_path: Path, broken: Callable[[Path], object], expected: tuple[str, ...]) -> None:
    repository = good_repository(tmp_path)
    broken(repository)
    assert expected in rows(examine(read_repository(repository, QUIET)))


def test_an_engine_for_two_gpus_is_whole(tmp_path: Path) -> None:
    repository = good_repository(tmp_path)
    built(pretrained_config__mapping__world_size=2)(repository)
    (repository.parent / "engine" / "rank1.engine").touch()
    assert examine(read_repository(repository, QUIET)) == ()


def test_another_engine_is_not_judged_by_tensorrts_rules(tmp_path: Path) -> None:
    repository = good_repository(tmp_path)
    replace_text(repository, "tensorrt_llm", '"tensorrtllm"', '"python"')
    shutil.rmtree(repository.parent / "engine")
    (repository / "tensorrt_llm" / "1" / "model.py").touch()
    change(repository, "tensorrt_llm", lambda config: config.ClearField("dynamic_batching"))
    assert examine(read_repository(repository, QUIET)) == ()
