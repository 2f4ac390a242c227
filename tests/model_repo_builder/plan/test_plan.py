"""The holes of single releases, the choices that go together, and what is refused before anything expensive begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_repo_builder import qwen, recipe
from model_repo_builder.errors import BuilderError
from model_repo_builder.plan import make_plan
from model_repo_builder.release import Release
from model_repo_builder.stages import BuildPlan


def plan(release: str, model: str = "Qwen1.5-14B-Chat", **keys: Any) -> BuildPlan:
    facts = qwen.known(model)
    assert facts is not None
    made = recipe.make({"model": model, "model_dir": "model", "output_dir": "out", **keys})
    return make_plan(made, Release.parse(release), facts)


def value(made: BuildPlan, flag: str) -> str | None:
    for stage in made.stages:
        for command in stage.commands:
            if flag in command.argv:
                return command.argv[command.argv.index(flag) + 1]
    return None


def names(made: BuildPlan) -> list[str]:
    return [stage.name for stage in made.stages]


@pytest.mark.parametrize(
    ("release", "asked", "flag", "expected"),
    [
        ("0.10.0", {}, "--gpt_attention_plugin", "bfloat16"),
        ("0.10.0", {"dtype": "float16"}, "--gemm_plugin", "float16"),
        ("0.11.0", {}, "--gpt_attention_plugin", "auto"),
        ("0.10.0", {"max_input_len": 1000, "max_output_len": 500}, "--max_output_len", "500"),
        ("0.10.0", {"max_input_len": 1000, "max_seq_len": 1500}, "--max_output_len", "500"),
        ("0.11.0", {"max_input_len": 1000, "max_output_len": 500}, "--max_seq_len", "1500"),
        ("0.11.0", {"max_input_len": 1000, "max_output_len": 500}, "--max_output_len", None),
        ("0.10.0", {"max_batch_size": 2, "max_input_len": 512, "max_output_len": 512}, "--max_num_tokens", "1024"),
        ("0.12.0", {"max_batch_size": 2, "max_input_len": 512, "max_output_len": 512}, "--max_num_tokens", "2048"),
        ("0.11.0", {"tp_size": 2}, "--use_custom_all_reduce", "enable"),
        ("0.12.0", {"tp_size": 2}, "--use_custom_all_reduce", None),
        ("0.12.0", {"kv_cache_type": "continuous"}, "--paged_kv_cache", "disable"),
        ("0.13.0", {"kv_cache_type": "continuous"}, "--kv_cache_type", "continuous"),
        ("0.13.0", {"kv_cache_type": "continuous"}, "--use_paged_context_fmha", "disable"),
        ("0.16.0", {"kv_cache_dtype": "int8"}, "--use_paged_context_fmha", "disable"),
        ("0.16.0", {"kv_cache_dtype": "int8"}, "--enable-kv-cache-reuse", "false"),
        ("0.16.0", {"quantization": "int4_awq", "kv_cache_dtype": "fp8"}, "--use_paged_context_fmha", "disable"),
        ("0.16.0", {"quantization": "fp8", "kv_cache_dtype": "model"}, "--kv_cache_dtype", None),
        ("0.16.0", {"quantization": "fp8"}, "--kv_cache_dtype", "fp8"),
        ("0.16.0", {"quantization": "smoothquant"}, "--calib_dataset", "ccdv/cnn_dailymail"),
        ("0.16.0", {"kv_cache_dtype": "fp8"}, "--qformat", "full_prec"),
        ("0.10.0", {}, "--qwen_type", "qwen2"),
        ("0.18.0", {}, "--contract", "v0.18.2"),
        ("1.2.1", {}, "--use_fused_mlp", "enable"),
        ("1.2.1", {"quantization": "int8_weight_only"}, "--use_fused_mlp", "disable"),
        ("1.1", {"lora": True}, "--lora_plugin", "auto"),
        ("1.1", {"repository": {"preprocessing_instance_count": 3}}, "--preprocessing-instance-count", "3"),
    ],
    ids=str,
)
def test_flags_follow_the_release_and_the_recipe(
    release: str, asked: dict[str, Any], flag: str, expected: str | None
) -> None:
    assert value(plan(release, **asked), flag) == expected


def test_the_quantization_of_0_10_gets_the_rotary_base_of_the_model() -> None:
    (fix,) = plan("0.10.0", "Qwen1.5-4B-Chat", quantization="fp8").stages[0].fixes
    assert fix.path == Path("out/checkpoint/config.json")
    assert fix.values == {"rotary_base": 5_000_000.0, "norm_epsilon": 1e-6}
    assert not plan("0.11.0", "Qwen1.5-4B-Chat", quantization="fp8").stages[0].fixes


@pytest.mark.parametrize(
    ("release", "model", "keys", "expected"),
    [
        ("0.10.0", "Qwen2-0.5B", {}, ["untie", "convert", "engine", "repository"]),
        ("0.11.0", "Qwen2-0.5B", {}, ["convert", "engine", "repository"]),
        ("0.10.0", "Qwen2-7B", {}, ["convert", "engine", "repository"]),
        ("0.10.0", "Qwen2-0.5B", {"quantization": "fp8"}, ["quantize", "engine", "repository"]),
        (
            "0.10.0",
            "Qwen2-7B",
            {"quantization": "fp8", "calibration": "chats.jsonl"},
            ["calibration", "quantize", "engine", "repository"],
        ),
        ("1.1", "Qwen2-7B", {"calibration": "chats.jsonl"}, ["convert", "engine", "repository"]),
    ],
    ids=str,
)
def test_stages(release: str, model: str, keys: dict[str, Any], expected: list[str]) -> None:
    assert names(plan(release, model, **keys)) == expected


def test_a_tied_checkpoint_is_converted_from_its_untied_copy() -> None:
    made = plan("0.10.0", "Qwen2-0.5B")
    assert value(made, "--model_dir") == "out/untied"
    assert made.stages[1].reads == (made.stages[0].output,)


@pytest.mark.parametrize(
    ("release", "quantization", "folder", "column"),
    [
        ("0.10.0", "fp8", "out/calibration/cnn_dailymail", "article"),
        ("0.11.0", "fp8", "out/calibration/texts", "text"),
        ("1.1", "int4_awq", "out/calibration/texts", "text"),
        ("1.1", "smoothquant", "out/calibration/cnn_dailymail", "article"),
    ],
    ids=str,
)
def test_local_calibration_gets_the_form_that_the_release_accepts(
    release: str, quantization: str, folder: str, column: str
) -> None:
    made = plan(release, quantization=quantization, calibration="/data/chats.parquet", calib_size=64)
    assert value(made, "--calib_dataset") == folder
    assert value(made, "--column") == column
    assert value(made, "--samples") == "64"
    assert made.stages[0].reads == (Path("/data/chats.parquet"),)


def test_from_0_12_on_conversion_calls_the_python_api_unless_the_examples_are_given() -> None:
    assert plan("0.11.0").stages[0].commands[0].argv[1].endswith("examples/qwen/convert_checkpoint.py")
    assert plan("0.12.0").stages[0].commands[0].argv[1:5] == (
        "-m",
        "model_repo_builder.trtllm_api",
        "convert_checkpoint",
        "--release",
    )
    script = plan("1.1", trtllm_examples="/trt/examples").stages[0].commands[0].argv[1]
    assert script == "/trt/examples/models/core/qwen/convert_checkpoint.py"


@pytest.mark.parametrize(
    ("release", "model", "keys", "says"),
    [
        ("0.16.0", "Qwen3-8B", {}, "use 1.0 or later"),
        ("0.10.0", "Qwen1.5-MoE-A2.7B", {}, "use 0.11 or later"),
        ("0.10.0", "Qwen1.5-14B", {"tp_size": 3}, "does not divide the 40 attention heads"),
        ("0.10.0", "Qwen2.5-7B", {"tp_size": 8}, "use one of 1, 2, 4"),
        ("0.10.0", "Qwen1.5-14B", {"pp_size": 3}, "use one of 1, 2, 4, 5, 8"),
        ("1.1", "Qwen3-30B-A3B", {"tp_size": 4, "moe_ep_size": 2}, "must be tp_size"),
        ("1.1", "Qwen3-8B", {"moe_ep_size": 2}, "has no experts"),
        ("0.12.0", "Qwen2-7B", {"custom_all_reduce": True}, "leave it away"),
        ("0.10.0", "Qwen2-7B", {"reduce_fusion": True}, "use 0.11 or later"),
        ("0.12.0", "Qwen2-7B", {"kv_cache_type": "disabled"}, "0.13 or later"),
        ("1.3.0", "Qwen2-7B", {}, "llmapi"),
        ("0.9.0", "Qwen2-7B", {}, "choose one of 0.10"),
        ("1.1", "Qwen2-7B", {"quantization": "fp8", "calibration": "wikitext"}, "use cnn_dailymail"),
        (
            "1.1",
            "Qwen2-7B",
            {"quantization": "fp8", "calibration": "a.jsonl", "output_dir": "/b/cnn_dailymail"},
            "choose another",
        ),
        ("1.1", "Qwen2-7B", {"max_seq_len": 1}, "at least one token each"),
        ("1.1", "Qwen2-7B", {"max_input_len": 9000, "max_seq_len": 8000}, "leaves nothing"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_with_what_to_change(
    release: str, model: str, keys: dict[str, Any], says: str
) -> None:
    with pytest.raises(BuilderError, match=says):
        plan(release, model, **keys)


def test_inferred_releases_say_so() -> None:
    assert any("inferred" in note for note in plan("1.1").notes)
    assert not any("inferred" in note for note in plan("0.16.0").notes)


PATHS = {"--model_dir", "--checkpoint_dir", "--output_dir", "--engine", "--engine-dir", "--tokenizer", "--samples"}


@pytest.mark.parametrize("release", ["0.10.0", "0.11.0", "0.12.0", "0.16.0", "1.1"])
@pytest.mark.parametrize("quantization", recipe.CHOICES["quantization"])
@pytest.mark.parametrize("more", [{}, {"multiple_profiles": False, "parallel_embedding": True, "load_on_cpu": True}])
def test_every_choice_has_its_reason(release: str, quantization: str, more: dict[str, Any]) -> None:
    made = plan(release, quantization=quantization, repository={"decoupled_mode": True}, **more)
    for stage in made.stages:
        for command in stage.commands:
            flags = {word for word in command.argv if word.startswith("--")}
            assert flags - PATHS == set(command.reasons)
            assert all(command.reasons.values())
