"""``plan``: what a build would run, write and need, with the reason for each choice. Runs nothing."""

from __future__ import annotations

import argparse
import json
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import asdict

from model_repo_builder.commands.recipe_flags import add_flags, plan_of, read_recipe
from model_repo_builder.memory import GIB, Estimate
from model_repo_builder.stages import BuildPlan, Command, Stage

EXAMPLES = """\
examples:
    model-repo-builder plan --recipe qwen1.5-14b-chat-bf16
    model-repo-builder plan --recipe qwen1.5-14b-chat-fp8 --trtllm-version 1.1 --set max_batch_size=64
    model-repo-builder plan --model Qwen3-8B --trtllm-version 1.1 --gpu-memory-gib 24 --max-seq-len 4096
    model-repo-builder plan --model-dir ./Qwen2.5-7B-Instruct --json

Nothing is run, and neither TensorRT-LLM nor the checkpoint has to be there. `build` carries the plan out.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser(
        "plan",
        usage="%(prog)s (--recipe NAME|FILE | --model-dir DIR) [--trtllm-version V] [--set KEY=VALUE ...] [--json]",
        help="show what a build would run, and what it needs",
        description="Prints the commands of a build, the files they write, and an estimate of GPU memory.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    plan.set_defaults(run=run)
    plan.add_argument("--json", action="store_true", help="the same for programs")
    add_flags(plan)


def run(options: argparse.Namespace) -> int:
    made = plan_of(read_recipe(options))
    print(json.dumps(as_json(made), indent=2) if options.json else "\n".join(as_text(made)))
    return 0


def as_json(made: BuildPlan) -> dict[str, object]:
    return {
        "release": str(made.release),
        "inferred": made.release.source if made.release.inferred else None,
        "engine_dir": str(made.engine_dir),
        "repository": str(made.repository),
        "stages": [_stage_json(stage) for stage in made.stages],
        "estimate": {**asdict(made.estimate), "fits": made.estimate.fits},
        "notes": list(made.notes),
    }


def as_text(made: BuildPlan) -> Iterator[str]:
    inferred = " (flags inferred)" if made.release.inferred else ""
    yield f"# TensorRT-LLM {made.release}{inferred}"
    for number, stage in enumerate(made.stages, 1):
        yield ""
        gpu = ", needs a GPU" if stage.needs_gpu else ""
        yield f"# {number}. {stage.name}: {stage.reason} (writes about {_size(stage.disk_bytes)}{gpu})"
        for command in stage.commands:
            yield from _command_text(command)
        for fix in stage.fixes:
            values = ", ".join(f"{key} = {value}" for key, value in fix.values.items())
            yield f"#    then in {fix.path}: {values}: {fix.reason}"
        yield from _files_text(stage)
    yield ""
    yield from _estimate_text(made)
    for note in made.notes:
        yield from _wrapped(f"# note: {note}")


def _command_text(command: Command) -> Iterator[str]:
    """A line for each flag, so that its reason stands beside it and the whole can be pasted into a shell."""
    words = list(_flags(command.argv))
    yield " ".join([*(f"{key}={shlex.quote(value)}" for key, value in command.env.items()), shlex.join(words[0])]) + (
        " \\" if len(words) > 1 else ""
    )
    for index, part in enumerate(words[1:], 2):
        yield f"    {shlex.join(part)}" + (" \\" if index < len(words) else "")
    for flag, reason in command.reasons.items():
        yield f"#    {flag:<26} {reason}"


def _flags(argv: tuple[str, ...]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in argv:
        if word.startswith("--") and part:
            yield part
            part = []
        part.append(word)
    yield part


def _files_text(stage: Stage) -> Iterator[str]:
    names = [path.name for path in stage.writes]
    shown = ", ".join(names if len(names) <= 4 else [*names[:3], f"... {names[-1]}"])
    yield f"#    -> {stage.output}: {shown}"


def _estimate_text(made: BuildPlan) -> Iterator[str]:
    estimate = made.estimate
    yield "# GPU memory, estimated for the fullest rank:"
    for name, value, why in _rows(estimate, made):
        yield f"#    {name:<24} {value:>12}  {why}"


def _rows(estimate: Estimate, made: BuildPlan) -> Iterator[tuple[str, str, str]]:
    recipe = made.recipe
    yield "weights", _size(estimate.weights), f"{recipe.quantization}, tp {recipe.tp_size}, pp {recipe.pp_size}"
    yield "activations", _size(estimate.activations), f"rule of thumb for max_num_tokens {recipe.max_num_tokens}"
    yield "runtime", _size(estimate.runtime), "rule of thumb: CUDA, TensorRT, workspaces"
    yield "KV cache", _size(estimate.cache), f"of what is left of {_size(estimate.gpu)}"
    yield "KV cache per token", _size(estimate.cache_per_token), f"in {recipe.effective_kv_cache}"
    yield "tokens in the cache", f"{estimate.tokens:,}", f"in blocks of {recipe.tokens_per_block}"
    most = " (max_batch_size)" if estimate.sequences == recipe.max_batch_size * recipe.pp_size else ""
    yield "sequences at once", f"{estimate.sequences}{most}", f"of {estimate.sequence_len} tokens each"


def _size(count: int) -> str:
    for unit, factor in (("GiB", GIB), ("MiB", 2**20)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1024:.1f} KiB"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 118, subsequent_indent="#       ", break_long_words=False, break_on_hyphens=False)


def _stage_json(stage: Stage) -> dict[str, object]:
    return {
        "name": stage.name,
        "reason": stage.reason,
        "commands": [
            {"argv": list(command.argv), "env": dict(command.env), "reasons": dict(command.reasons)}
            for command in stage.commands
        ],
        "reads": [str(path) for path in stage.reads],
        "writes": [str(path) for path in stage.writes],
        "files": [{"path": str(file.path), "text": file.text, "reason": file.reason} for file in stage.files],
        "fixes": [{"path": str(fix.path), "values": dict(fix.values), "reason": fix.reason} for fix in stage.fixes],
        "needs_gpu": stage.needs_gpu,
        "disk_bytes": stage.disk_bytes,
    }
