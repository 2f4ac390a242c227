"""The stage ``trtllm-build``: from a checkpoint to engines, one per rank. Pure.

Knows its flags: which are renamed between releases, whose defaults changed (those are always passed), and which go
together. Must not know how many bytes anything takes.
"""

from __future__ import annotations

from pathlib import Path

from model_repo_builder.memory import Estimate
from model_repo_builder.plan.arguments import Arguments
from model_repo_builder.plan.convert import files
from model_repo_builder.plan.lengths import Lengths
from model_repo_builder.qwen import QwenFacts
from model_repo_builder.recipe import Recipe
from model_repo_builder.release import Release
from model_repo_builder.stages import Command, Stage

_CHANGED = "the default changed between releases"


def stage(
    recipe: Recipe, release: Release, facts: QwenFacts, lengths: Lengths, estimate: Estimate, output: Path
) -> Stage:
    checkpoint, engine = output / "checkpoint", output / "engine"
    line = Arguments(release, "trtllm-build")
    line.put("--checkpoint_dir", checkpoint)
    line.put("--output_dir", engine)
    line.put("--workers", recipe.workers or recipe.world_size, "ranks built at once, at most as many as GPUs")
    _sizes(line, recipe, lengths)
    _plugins(line, recipe, release, facts)
    _attention(line, recipe)
    _speed(line, recipe)
    return Stage(
        name="engine",
        commands=(Command(("trtllm-build", *line.argv()), reasons=line.reasons),),
        reads=files(recipe, checkpoint),
        writes=(engine / "config.json", *(engine / f"rank{rank}.engine" for rank in range(recipe.world_size))),
        output=engine,
        reason="TensorRT compiles the model for this GPU and this release: the engine runs nowhere else",
        needs_gpu=True,
        disk_bytes=estimate.all_weights,
    )


def paged_context(recipe: Recipe) -> tuple[bool, str]:
    """Whether the context attention works on cache blocks, and why."""
    if recipe.paged_context_fmha is not None:
        return recipe.paged_context_fmha, "as the recipe says; KV reuse and chunked context need it"
    if recipe.kv_cache_type != "paged":
        return False, "needs a paged KV cache"
    if recipe.effective_kv_cache == "int8":
        return False, "does not work with an int8 KV cache"
    if recipe.effective_kv_cache == "fp8" and not fp8_context(recipe):
        return False, "with an FP8 KV cache it needs FP8 context attention"
    return True, f"KV reuse and chunked context need it; {_CHANGED}"


def fp8_context(recipe: Recipe) -> bool:
    if recipe.fp8_context_fmha is not None:
        return recipe.fp8_context_fmha
    return recipe.quantization == "fp8" and recipe.effective_kv_cache == "fp8"


def _sizes(line: Arguments, recipe: Recipe, lengths: Lengths) -> None:
    line.put("--max_batch_size", recipe.max_batch_size, _CHANGED)
    line.put("--max_input_len", lengths.input, lengths.reason)
    if line.has("--max_seq_len"):
        line.put("--max_seq_len", lengths.sequence, "prompt and answer together")
    else:
        line.put("--max_output_len", lengths.output, "this release counts the answer apart")
    line.put("--max_beam_width", recipe.max_beam_width, "widest beam search a request may ask for")
    tokens, most = recipe.max_num_tokens, recipe.max_batch_size * lengths.sequence
    if not line.has("--max_seq_len"):
        most = recipe.max_batch_size * lengths.input
    reason = _CHANGED if tokens <= most else f"no batch has more; {_CHANGED}"
    line.put("--max_num_tokens", min(tokens, most), reason)


def _plugins(line: Arguments, recipe: Recipe, release: Release, facts: QwenFacts) -> None:
    # Release 0.10 takes a type, float16 where none is given; later ones know "auto", the model's own.
    auto = "auto" if release.since("0.11") else recipe.dtype
    same = "the model's own type" if release.since("0.11") else "this release takes float16 where no type is given"
    line.put("--gpt_attention_plugin", auto, f"{same}; in-flight batching needs the plugin")
    line.put("--gemm_plugin", *_gemm(recipe, auto, same))
    line.put(
        "--nccl_plugin", auto if recipe.world_size > 1 else "disable", same if recipe.world_size > 1 else "one GPU"
    )
    line.put("--moe_plugin", auto if facts.experts else "disable", same if facts.experts else "no experts")
    line.put("--lora_plugin", auto if recipe.lora else "disable", same if recipe.lora else "no LoRA")


def _gemm(recipe: Recipe, auto: str, same: str) -> tuple[str, str]:
    if recipe.gemm_plugin == "auto":
        return auto, same
    if recipe.gemm_plugin:
        return recipe.gemm_plugin, "as the recipe says"
    if recipe.quantization == "fp8":
        return "disable", "TensorRT's own FP8 kernels are faster"
    return auto, f"{same}; faster than TensorRT's own kernels in 16 bits"


def _attention(line: Arguments, recipe: Recipe) -> None:
    on, why = paged_context(recipe)
    paged = recipe.kv_cache_type == "paged"
    line.put("--context_fmha", "enable", "fused attention; the paged form builds on it")
    line.put("--remove_input_padding", "enable", "in-flight batching needs packed input")
    if line.has("--kv_cache_type"):
        line.put("--kv_cache_type", recipe.kv_cache_type, "in-flight batching needs a paged cache")
    else:
        line.put("--paged_kv_cache", _switch(paged), "in-flight batching needs a paged cache")
    line.put("--tokens_per_block", recipe.tokens_per_block, f"only whole blocks are reused; {_CHANGED}")
    line.put("--use_paged_context_fmha", _switch(on), why)
    fp8 = fp8_context(recipe)
    line.put("--use_fp8_context_fmha", _switch(fp8), _CHANGED if not fp8 else f"faster prompts in FP8; {_CHANGED}")


def _speed(line: Arguments, recipe: Recipe) -> None:
    line.put(
        "--multiple_profiles",
        _switch(recipe.multiple_profiles),
        "kernels chosen for several batch sizes; the build takes longer"
        if recipe.multiple_profiles
        else "as the recipe says",
    )
    line.put_if_known(
        "--reduce_fusion",
        _switch(recipe.reduce_fusion),
        "as the recipe says" if recipe.reduce_fusion else "made for Llama and Mistral",
    )
    if line.has("--use_custom_all_reduce"):
        custom = recipe.world_size > 1 if recipe.custom_all_reduce is None else recipe.custom_all_reduce
        why = "faster where GPUs reach each other's memory" if custom else "nothing to reduce, or not wanted"
        line.put("--use_custom_all_reduce", _switch(custom), why)
    _fused_mlp(line, recipe)
    line.put("--log_level", "info", "progress in the log")


def _fused_mlp(line: Arguments, recipe: Recipe) -> None:
    """A switch up to 0.12, a plugin that is on by default later; forced off for most quantizations there."""
    plugin = line.has("--kv_cache_type")
    default = plugin and recipe.quantization in ("none", "fp8")
    on = default if recipe.fused_mlp is None else recipe.fused_mlp
    if plugin:
        line.put("--use_fused_mlp", _switch(on), _CHANGED)
    elif on:
        line.put("--use_fused_mlp", reason="as the recipe says")


def _switch(on: bool) -> str:
    return "enable" if on else "disable"
