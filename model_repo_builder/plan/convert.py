"""The stages from a Hugging Face checkpoint to TensorRT-LLM's own: conversion, or quantization with ModelOpt. Pure.

Knows the flags of ``convert_checkpoint.py`` and ``quantize.py`` and the holes of release 0.10. From 0.12 on the same
flags go to ``model_repo_builder.trtllm_api``, which calls the release's Python API.
"""

from __future__ import annotations

from pathlib import Path

from model_repo_builder.memory import Estimate
from model_repo_builder.plan import calibration
from model_repo_builder.plan.arguments import Arguments
from model_repo_builder.plan.support import MODELOPT, uses_modelopt
from model_repo_builder.qwen import QwenFacts
from model_repo_builder.recipe import Recipe
from model_repo_builder.release import Release, tools_of
from model_repo_builder.stages import PYTHON, Command, Fix, Stage

#: Where NVIDIA's containers keep the examples; shown where none were found or given.
EXAMPLES = Path("/app/tensorrt_llm/examples")
_SMOOTHQUANT = 0.5
_TP, _PP = "GPUs that share every layer", "groups of layers, one after the other"
_TEXTS = "what the scales are learned from; best are texts like those that will be asked"


def stages(
    recipe: Recipe, release: Release, facts: QwenFacts, estimate: Estimate, examples: Path | None, output: Path
) -> tuple[Stage, ...]:
    model = recipe.model_dir or Path(facts.name)
    checkpoint = output / "checkpoint"
    if uses_modelopt(recipe):
        return (_quantize(recipe, release, facts, estimate, examples, model, checkpoint, output),)
    before: tuple[Stage, ...] = ()
    if facts.tied and "convert_tied_embeddings" in tools_of(release)["holes"]:
        before = (_untie(release, facts, model, output / "untied"),)
        model = output / "untied"
    return (*before, _convert(recipe, release, facts, estimate, examples, model, checkpoint, output))


def files(recipe: Recipe, checkpoint: Path) -> tuple[Path, ...]:
    ranks = (checkpoint / f"rank{rank}.safetensors" for rank in range(recipe.world_size))
    return (checkpoint / "config.json", *ranks)


def _convert(
    recipe: Recipe,
    release: Release,
    facts: QwenFacts,
    estimate: Estimate,
    examples: Path | None,
    model: Path,
    checkpoint: Path,
    output: Path,
) -> Stage:
    line = Arguments(release, "convert_checkpoint")
    line.put("--model_dir", model)
    line.put("--output_dir", checkpoint)
    line.put_if_known("--qwen_type", facts.family, "this release's default is qwen, whatever the model")
    line.put("--dtype", recipe.dtype, "the default differs between releases")
    _ranks(line, recipe, facts)
    line.put("--workers", recipe.workers or 1, "ranks converted at once, each with a whole checkpoint in memory")
    weight_only = {"int8_weight_only": "int8", "int4_weight_only": "int4"}.get(recipe.quantization)
    if weight_only:
        line.put("--use_weight_only", reason="no calibration; activations stay in 16 bits")
        line.put("--weight_only_precision", weight_only, "weights smaller, computing in the model's type")
    if recipe.quantization == "smoothquant":
        line.put("--smoothquant", _SMOOTHQUANT, "how far outliers move from activations to weights")
        line.put("--per_token", reason="scales of activations per token: better answers")
        line.put("--per_channel", reason="scales of weights per channel: better answers")
    if recipe.effective_kv_cache == "int8":
        line.put("--int8_kv_cache", reason="half the KV cache")
    calibrated = calibration.needed(recipe)
    if calibrated:
        line.put("--calib_dataset", calibration.dataset(recipe, release, output), _TEXTS)
    if recipe.parallel_embedding:
        line.put("--use_parallel_embedding", reason="each rank keeps a part of the embeddings")
        line.put("--embedding_sharding_dim", 0, "by vocabulary")
    if recipe.load_on_cpu and not calibrated:
        line.put("--load_model_on_cpu", reason="no GPU memory for the conversion")
    return Stage(
        name="convert",
        commands=(_command(release, "convert_checkpoint", line, recipe, examples),),
        reads=(model,),
        writes=files(recipe, checkpoint),
        output=checkpoint,
        reason="TensorRT-LLM builds from its own form of the weights, one file per rank",
        needs_gpu=calibrated,
        disk_bytes=estimate.all_weights,
    )


def _quantize(
    recipe: Recipe,
    release: Release,
    facts: QwenFacts,
    estimate: Estimate,
    examples: Path | None,
    model: Path,
    checkpoint: Path,
    output: Path,
) -> Stage:
    line = Arguments(release, "quantize")
    line.put("--model_dir", model)
    line.put("--output_dir", checkpoint)
    line.put("--dtype", recipe.dtype, "the default differs between releases")
    line.put("--qformat", MODELOPT.get(recipe.quantization, "full_prec"), f"quantization {recipe.quantization}")
    if recipe.effective_kv_cache == "fp8":
        line.put("--kv_cache_dtype", "fp8", "without it the KV cache stays in the model's type")
    line.put("--calib_dataset", calibration.dataset(recipe, release, output), _TEXTS)
    line.put("--calib_size", calibration.size(recipe), "samples that the scales are learned from")
    line.put("--calib_max_seq_length", recipe.calib_max_seq_length, "the tool's own is 512 tokens")
    line.put("--tokenizer_max_seq_length", max(2048, recipe.calib_max_seq_length), "not to cut the texts before that")
    line.put("--batch_size", 1, "least memory; calibration is done once")
    line.put("--tp_size", recipe.tp_size, _TP)
    line.put("--pp_size", recipe.pp_size, _PP)
    if recipe.quantization in ("int4_awq", "w4a8_awq"):
        line.put("--awq_block_size", 128, "weights that share a scale")
    fixes: tuple[Fix, ...] = ()
    if facts.family == "qwen2" and "quantize_rotary_base" in tools_of(release)["holes"]:
        fixes = (
            Fix(
                checkpoint / "config.json",
                {"rotary_base": facts.rope_theta, "norm_epsilon": facts.norm_epsilon},
                f"quantize.py of TensorRT-LLM {release} does not write the model's own: answers would be nonsense",
            ),
        )
    return Stage(
        name="quantize",
        commands=(_command(release, "quantize", line, recipe, examples),),
        reads=(model,),
        writes=files(recipe, checkpoint),
        output=checkpoint,
        reason="ModelOpt learns the scales and writes TensorRT-LLM's form of the weights, one file per rank",
        fixes=fixes,
        needs_gpu=True,
        disk_bytes=estimate.all_weights,
    )


def _untie(release: Release, facts: QwenFacts, model: Path, folder: Path) -> Stage:
    return Stage(
        name="untie",
        commands=(Command((PYTHON, "-m", "model_repo_builder.untie", str(model), str(folder))),),
        reads=(model,),
        writes=(folder / "config.json", folder / "model.safetensors.index.json"),
        output=folder,
        reason=f"the conversion of TensorRT-LLM {release} fails where embeddings and logits share a table: "
        "a second one is written beside links to the weights",
        disk_bytes=facts.embedding_parameters * 2,
    )


def _ranks(line: Arguments, recipe: Recipe, facts: QwenFacts) -> None:
    line.put("--tp_size", recipe.tp_size, _TP)
    line.put("--pp_size", recipe.pp_size, _PP)
    if facts.experts and (recipe.moe_tp_size or recipe.moe_ep_size):
        line.put("--moe_tp_size", recipe.moe_tp_size or 1, "GPUs that share every expert")
        line.put("--moe_ep_size", recipe.moe_ep_size or 1, "experts spread over GPUs")


def _command(release: Release, tool: str, line: Arguments, recipe: Recipe, examples: Path | None) -> Command:
    data = tools_of(release)
    if data["python_api"] and recipe.trtllm_examples is None:
        head = (PYTHON, "-m", "model_repo_builder.trtllm_api", tool, "--release", str(release))
        why = {"--release": "the Python API of TensorRT-LLM, with the flags of this release's script"}
        return Command((*head, *line.argv()), reasons={**why, **line.reasons})
    script = (recipe.trtllm_examples or examples or EXAMPLES) / data["tools"][tool]["script"]
    return Command((PYTHON, str(script), *line.argv()), reasons=line.reasons)
