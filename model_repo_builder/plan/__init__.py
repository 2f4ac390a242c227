"""From a recipe, a release and the facts of a model to the stages of a build. Pure: nothing is run or written.

``make_plan`` is the one way in; each stage has a module of its own.
"""

from __future__ import annotations

from pathlib import Path

from model_repo_builder.errors import SettingsError
from model_repo_builder.memory import GIB, Estimate, estimate
from model_repo_builder.plan import calibration, convert, engine, repo
from model_repo_builder.plan.lengths import Lengths, choose
from model_repo_builder.plan.support import check
from model_repo_builder.qwen import QwenFacts
from model_repo_builder.recipe import Recipe
from model_repo_builder.release import Release, tools_of
from model_repo_builder.stages import BuildPlan

__all__ = ["make_plan"]


def make_plan(recipe: Recipe, release: Release, facts: QwenFacts, examples: Path | None = None) -> BuildPlan:
    """``examples`` is the examples folder of TensorRT-LLM, where the release has no Python API for conversion."""
    if recipe.output_dir is None:
        raise SettingsError("the recipe names no output_dir: give the folder that the build may fill")
    check(recipe, release, facts)
    lengths = choose(recipe, facts)
    estimated = estimate(facts, recipe, lengths.sequence)
    output = recipe.output_dir
    prepared = calibration.stage(recipe, release, output)
    converted = convert.stages(recipe, release, facts, estimated, examples, output)
    engine_stage = engine.stage(recipe, release, facts, lengths, estimated, output)
    repository_stage = repo.stage(recipe, release, facts, lengths, output)
    stages = (*((prepared,) if prepared else ()), *converted, engine_stage, repository_stage)
    return BuildPlan(
        recipe=recipe,
        release=release,
        stages=stages,
        engine_dir=engine_stage.output,
        repository=repository_stage.output,
        estimate=estimated,
        notes=tuple(_notes(recipe, release, facts, lengths, estimated, examples)),
    )


def _notes(
    recipe: Recipe,
    release: Release,
    facts: QwenFacts,
    lengths: Lengths,
    estimated: Estimate,
    examples: Path | None,
) -> list[str]:
    notes = []
    if release.inferred:
        notes.append(f"The flags of release {release} are inferred from {release.source}: check them with --help.")
    if not tools_of(release)["python_api"] and recipe.trtllm_examples is None and examples is None:
        notes.append("The examples of TensorRT-LLM were not found here: give their folder with --trtllm-examples.")
    if facts.folder is None:
        notes.append(f"The checkpoint is not here: the sizes are those published for {facts.name}.")
    if not estimated.fits:
        free = estimated.gpu - estimated.weights - estimated.activations - estimated.runtime
        notes.append(
            f"No sequence of {estimated.sequence_len} tokens fits: {max(0, free) / GIB:.1f} GiB remain beside the "
            "weights; use a larger tp_size, quantization, or shorter lengths."
        )
    if lengths.sequence > facts.max_positions:
        notes.append(
            f"max_seq_len {lengths.sequence} is more than the {facts.max_positions} positions that the model knows."
        )
    if recipe.quantization == "fp8" and not release.since("0.11"):
        notes.append(
            "The guide of release 0.10 does not list FP8 for Qwen, though its tool takes it; "
            "FP8 context attention needs a Hopper GPU there."
        )
    if facts.experts and recipe.quantization not in ("none", "int8_weight_only", "int4_weight_only"):
        notes.append(f"Not every release lists {recipe.quantization} for experts: try its answers before it serves.")
    if recipe.quantization != "none":
        notes.append("Quantized Qwen can answer with repeated or empty text: try its answers before it serves.")
    return notes
