from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_repo_builder import recipe
from model_repo_builder.errors import SettingsError

MODEL = {"model": "Qwen2-7B"}


def test_the_reference_recipes_are_packaged() -> None:
    assert recipe.packaged() == ("qwen1.5-14b-chat-bf16", "qwen1.5-14b-chat-bf16-tp2", "qwen1.5-14b-chat-fp8")


@pytest.mark.parametrize(
    ("name", "tp", "quantization", "cache"),
    [
        ("qwen1.5-14b-chat-bf16", 1, "none", "bfloat16"),
        ("qwen1.5-14b-chat-bf16-tp2", 2, "none", "bfloat16"),
        ("qwen1.5-14b-chat-fp8", 1, "fp8", "fp8"),
    ],
)
def test_packaged_recipes(name: str, tp: int, quantization: str, cache: str) -> None:
    made = recipe.make(recipe.load(name))
    assert (made.tp_size, made.quantization, made.effective_kv_cache) == (tp, quantization, cache)
    assert made.model_dir == Path("Qwen1.5-14B-Chat")


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('model_dir = "m"\ntp_size = 2\n[repository]\ndecoupled_mode = false\n')
    made = recipe.make(recipe.load(str(path)))
    assert (made.model_dir, made.tp_size, made.repository) == (Path("m"), 2, {"decoupled_mode": False})


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("tp_size=2", "tp_size", 2),
        ("tp-size=2", "tp_size", 2),
        ("lora=true", "lora", True),
        ("gpu_memory_gib=24", "gpu_memory_gib", 24.0),
        ("calibration=a=b.jsonl", "calibration", "a=b.jsonl"),
        ("fp8_context_fmha=no", "fp8_context_fmha", False),
        ("repository.decoupled_mode=false", "repository", {"decoupled_mode": False}),
        ("repository.bls_instance_count=3", "repository", {"bls_instance_count": 3}),
    ],
)
def test_overriding(assignment: str, key: str, value: object) -> None:
    assert recipe.override({"tp_size": 1}, assignment)[key] == value


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("tp_size", "write key=value"),
        ("tp_sise=2", "no key 'tp_sise'"),
        ("tp_size=two", "must be a number"),
        ("lora=perhaps", "true or false"),
    ],
)
def test_overriding_badly(assignment: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        recipe.override({}, assignment)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "names no model"),
        ({"typo": 1}, "unknown key 'typo'"),
        ({"dtype": "float32"}, "choose one of bfloat16, float16"),
        ({"quantization": "gptq"}, "choose one of none"),
        ({"tp_size": 0}, "at least 1"),
        ({"tp_size": "2"}, "of type int"),
        ({"tp_size": True}, "of type int"),
        ({"lora": 1}, "of type bool"),
        ({"repository": 1}, r"\[repository\]"),
        ({"repository": {"engine_dir": "x"}}, "unknown key 'engine_dir'"),
        ({"repository": {"decoupled": True}}, "unknown key 'decoupled'"),
        ({"max_input_len": 10, "max_output_len": 10, "max_seq_len": 30}, "do not add up"),
        ({"fp8_context_fmha": True}, "needs quantization fp8"),
        ({"quantization": "fp8", "kv_cache_dtype": "int8"}, "use fp8 or auto"),
        ({"quantization": "int4_awq", "kv_cache_dtype": "int8"}, "use auto or fp8"),
        ({"quantization": "int8_weight_only", "kv_cache_dtype": "fp8"}, "use auto, or one of"),
        ({"kv_cache_dtype": "int8", "paged_context_fmha": True}, "set it to false"),
        ({"kv_cache_type": "continuous", "paged_context_fmha": True}, "needs kv_cache_type paged"),
        ({"gemm_plugin": "fp8"}, "needs quantization fp8"),
        ({"gemm_plugin": "float16"}, "does not go with dtype bfloat16"),
        ({"tokens_per_block": 2**20}, "power of two"),
        ({"tokens_per_block": 48}, "power of two"),
        ({"gpu_memory_gib": 0.5}, "memory of one GPU"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        recipe.make({**MODEL, **keys} if keys else {})


@pytest.mark.parametrize(
    ("content", "says"), [(None, "there is no recipe"), ("a = ", "is no TOML"), (b"\xff", "cannot be read")], ids=str
)
def test_files_that_are_none(tmp_path: Path, content: str | bytes | None, says: str) -> None:
    path = tmp_path / "r.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=says):
        recipe.load(str(path))
