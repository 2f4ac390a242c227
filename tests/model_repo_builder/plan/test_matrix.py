"""Every planned command line, of every release, type, size, quantization and family, is one that the tool accepts.

The parsers are built here from the tools' data, without the planner's own.
"""

from __future__ import annotations

import argparse
import itertools
import json
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import pytest

from model_repo_builder import qwen, recipe
from model_repo_builder.errors import BuilderError
from model_repo_builder.plan import make_plan
from model_repo_builder.release import Release, lines
from model_repo_builder.stages import PYTHON, BuildPlan, Command

QWEN = qwen.QwenFacts(
    name="Qwen-7B-Chat",
    family="qwen",
    layers=32,
    hidden=4096,
    heads=32,
    kv_heads=32,
    head_dim=128,
    intermediate=11008,
    vocab=151936,
    max_positions=8192,
    rope_theta=10_000.0,
)
MODELS = {
    "qwen": QWEN,
    "qwen2": qwen.known("Qwen2.5-7B-Instruct"),
    "qwen2_moe": qwen.known("Qwen1.5-MoE-A2.7B-Chat"),
    "qwen3": qwen.known("Qwen3-8B"),
    "qwen3_moe": qwen.known("Qwen3-30B-A3B"),
}
SINCE = {"qwen": "0.10", "qwen2": "0.10", "qwen2_moe": "0.11", "qwen3": "1.0", "qwen3_moe": "1.0"}
#: Types of layers that no Qwen has: what their plugins default to changes nothing.
NOT_QWEN = {"--bert_attention_plugin", "--lookup_plugin", "--mamba_conv1d_plugin", "--visualize_network"}


def data(line: str) -> dict[str, Any]:
    text = resources.files("model_repo_builder").joinpath(f"contracts/tools/v{line}.json").read_text("utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


class Strict(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise AssertionError(f"{self.prog}: {message}")


def parser(line: str, tool: str) -> argparse.ArgumentParser:
    made = Strict(prog=f"{tool} {line}", allow_abbrev=False)
    for flag, spec in data(line)["tools"][tool]["flags"].items():
        if spec["type"] == "flag":
            made.add_argument(flag, *spec.get("aliases", []), action="store_true")
        else:
            kind = {"int": int, "float": float, "str": str}[spec["type"]]
            choices, nargs = spec.get("choices"), spec.get("nargs")
            made.add_argument(
                flag, *spec.get("aliases", []), type=kind, default=spec["default"], choices=choices, nargs=nargs
            )
    return made


def parsed(parsers: dict[str, argparse.ArgumentParser], command: Command) -> tuple[str, argparse.Namespace]:
    """The tool that a command line runs, and what the tool reads from it."""
    argv = command.argv
    if argv[0] == "trtllm-build":
        return argv[0], parsers[argv[0]].parse_args(argv[1:])
    assert argv[0] == PYTHON
    if argv[1] == "-m":
        assert (argv[2], argv[4]) == ("model_repo_builder.trtllm_api", "--release")
        return argv[3], parsers[argv[3]].parse_args(argv[6:])
    tool = "quantize" if argv[1].endswith("quantization/quantize.py") else "convert_checkpoint"
    assert argv[1].endswith(("quantization/quantize.py", "qwen/convert_checkpoint.py"))
    return tool, parsers[tool].parse_args(argv[2:])


def plan(line: str, family: str, **keys: Any) -> BuildPlan:
    facts = MODELS[family]
    assert facts is not None
    made = recipe.make({"model_dir": "model", "output_dir": "out", **keys})
    return make_plan(made, Release.parse(line), facts)


def changed_defaults() -> set[str]:
    seen: dict[str, set[str]] = {}
    for line in lines():
        for flag, spec in data(line)["tools"]["trtllm-build"]["flags"].items():
            seen.setdefault(flag, set()).add(repr((spec["type"], spec["default"])))
    return {flag for flag, defaults in seen.items() if len(defaults) > 1} - NOT_QWEN


CASES = [(line, family) for line, family in itertools.product(lines(), MODELS)]


@pytest.mark.parametrize(("line", "family"), CASES, ids=[f"{line}-{family}" for line, family in CASES])
def test_every_command_line_is_accepted_with_the_values_asked_for(line: str, family: str) -> None:
    release = Release.parse(line)
    parsers = {tool: parser(line, tool) for tool in data(line)["tools"]}
    always = changed_defaults() - {"--max_output_len", "--use_fused_mlp", "--paged_kv_cache"}
    count = 0
    for dtype, tp, quantization in itertools.product(
        recipe.CHOICES["dtype"], (1, 2, 4), recipe.CHOICES["quantization"]
    ):
        if not release.since(SINCE[family]):
            with pytest.raises(BuilderError, match=f"use {SINCE[family]} or later"):
                plan(line, family, dtype=dtype, tp_size=tp, quantization=quantization)
            continue
        if "moe" in family and quantization == "fp8" and not release.since("0.17"):
            with pytest.raises(BuilderError, match=r"0\.17 or later"):
                plan(line, family, dtype=dtype, tp_size=tp, quantization=quantization)
            continue
        made = plan(line, family, dtype=dtype, tp_size=tp, quantization=quantization, max_batch_size=24)
        tools = {}
        for stage in made.stages[:-1]:
            for command in stage.commands:
                tool, values = parsed(parsers, command)
                tools[tool] = values
        assert ("quantize" in tools) == (quantization in ("fp8", "int8_sq", "int4_awq", "w4a8_awq"))
        _check_checkpoint(tools, dtype, tp, quantization)
        _check_engine(tools["trtllm-build"], made, dtype, tp, quantization, release)
        argv = made.stages[-2].commands[0].argv
        known = data(line)["tools"]["trtllm-build"]["flags"]
        assert {flag for flag in always if flag in known} <= set(argv)
        count += 1
    assert count or not release.since(SINCE[family])


def _check_checkpoint(tools: dict[str, argparse.Namespace], dtype: str, tp: int, quantization: str) -> None:
    if values := tools.get("quantize"):
        assert (values.dtype, values.tp_size, values.qformat) == (dtype, tp, quantization)
        assert values.kv_cache_dtype == ("fp8" if quantization == "fp8" else None)
        assert values.calib_size == (32 if "awq" in quantization else 512)
        return
    values = tools["convert_checkpoint"]
    assert (values.dtype, values.tp_size, values.pp_size) == (dtype, tp, 1)
    assert (values.smoothquant is not None) == (quantization == "smoothquant")
    assert values.use_weight_only == quantization.endswith("weight_only")
    if values.use_weight_only:
        assert values.weight_only_precision == quantization.removesuffix("_weight_only")


def _check_engine(
    values: argparse.Namespace, made: BuildPlan, dtype: str, tp: int, quantization: str, release: Release
) -> None:
    assert values.max_batch_size == 24
    assert values.max_num_tokens == 8192
    longest = values.max_seq_len if release.since("0.11") else values.max_input_len + values.max_output_len
    assert longest == 8192
    auto = "auto" if release.since("0.11") else dtype
    assert values.gpt_attention_plugin == auto
    assert values.gemm_plugin == ("disable" if quantization == "fp8" else auto)
    assert values.nccl_plugin == ("disable" if tp == 1 else auto)
    assert values.use_fp8_context_fmha == ("enable" if quantization == "fp8" else "disable")
    assert (values.use_paged_context_fmha, values.tokens_per_block) == ("enable", 64)
    assert values.multiple_profiles == "enable"
    assert values.opt_num_tokens is None  # a failure together with multiple profiles
    assert values.build_config is None  # it would make every size flag ineffective
    if release.since("0.13"):
        assert values.kv_cache_type == "paged"
    else:
        assert values.paged_kv_cache == "enable"
    assert (values.max_output_len if hasattr(values, "max_output_len") else None) is None or not release.since("0.11")
    assert [path.name for path in made.stages[-2].writes] == ["config.json", *(f"rank{n}.engine" for n in range(tp))]
    assert values.checkpoint_dir == str(made.stages[-3].output)
    assert Path(values.output_dir) == made.engine_dir
