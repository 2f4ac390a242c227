"""What a release, a model and a recipe cannot do together, refused before anything expensive begins.

Knows divisibility and which families a release takes. Must not know flags: whether a tool has one is ``arguments``'.
"""

from __future__ import annotations

from model_repo_builder.errors import ContractError, SettingsError
from model_repo_builder.qwen import QwenFacts
from model_repo_builder.recipe import Recipe
from model_repo_builder.release import Release, families_since, lines, tools_of

#: Quantizations that ModelOpt does (``quantize.py``), and its name for each.
MODELOPT = {"fp8": "fp8", "int8_sq": "int8_sq", "int4_awq": "int4_awq", "w4a8_awq": "w4a8_awq"}


def check(recipe: Recipe, release: Release, facts: QwenFacts) -> None:
    _check_family(recipe, release, facts)
    _check_ranks(recipe, facts)
    if recipe.custom_all_reduce is not None and release.since("0.12"):
        raise SettingsError(
            f"custom_all_reduce is no choice in TensorRT-LLM {release}, which decides by itself: leave it away"
        )
    if recipe.reduce_fusion and not release.since("0.11"):
        raise SettingsError(f"TensorRT-LLM {release} has no reduce_fusion: set it to false, or use 0.11 or later")
    if recipe.kv_cache_type == "disabled" and not release.since("0.13"):
        raise SettingsError(
            f"TensorRT-LLM {release} cannot build without a KV cache: use kv_cache_type paged, or release 0.13 or later"
        )
    if recipe.multiple_profiles and recipe.max_num_tokens < 8:
        raise SettingsError(f"max_num_tokens is {recipe.max_num_tokens}: use at least 8")


def uses_modelopt(recipe: Recipe) -> bool:
    return recipe.quantization in MODELOPT or recipe.effective_kv_cache == "fp8"


def _check_family(recipe: Recipe, release: Release, facts: QwenFacts) -> None:
    if facts.family not in tools_of(release)["families"]:
        since = families_since(facts.family)
        hint = f"use {since} or later" if since else f"no release up to {lines()[-1]} takes it: serve it with llmapi"
        raise ContractError(f"TensorRT-LLM {release} does not take {facts.family} models ({facts.name}): {hint}")
    if facts.experts and recipe.quantization == "fp8" and not release.since("0.17"):
        raise ContractError(
            f"TensorRT-LLM {release} does not list FP8 for experts ({facts.name}): use int8_weight_only, "
            "or 0.17 or later"
        )
    if not facts.experts and (recipe.moe_tp_size or recipe.moe_ep_size):
        raise SettingsError(f"{facts.name} has no experts: leave moe_tp_size and moe_ep_size away")


def _check_ranks(recipe: Recipe, facts: QwenFacts) -> None:
    tp = recipe.tp_size
    possible = [size for size in (1, 2, 4, 8, 16) if not _split_fault(size, facts)]
    fault = _split_fault(tp, facts)
    if fault:
        raise SettingsError(f"tp_size {tp} {fault}: use one of {', '.join(map(str, possible))}")
    if facts.layers % recipe.pp_size:
        sizes = [size for size in range(1, 9) if facts.layers % size == 0]
        raise SettingsError(
            f"pp_size {recipe.pp_size} does not divide the {facts.layers} layers of {facts.name}: use one of "
            f"{', '.join(map(str, sizes))}"
        )
    moe_tp, moe_ep = recipe.moe_tp_size, recipe.moe_ep_size
    if (moe_tp or moe_ep) and (moe_tp or 1) * (moe_ep or 1) != tp:
        raise SettingsError(f"moe_tp_size times moe_ep_size must be tp_size ({tp}): change one of them")


def _split_fault(tp: int, facts: QwenFacts) -> str | None:
    if facts.heads % tp:
        return f"does not divide the {facts.heads} attention heads of {facts.name}"
    if facts.kv_heads % tp and tp % facts.kv_heads:
        return f"neither divides nor is a multiple of the {facts.kv_heads} KV heads of {facts.name}"
    if facts.intermediate % tp:
        return f"does not divide the MLP width {facts.intermediate} of {facts.name}"
    return None
