"""What a TensorRT engine was built for against what a repository asks of it.

Knows the facts in an engine's ``config.json`` and which settings depend on them. Must not read files, and knows no
release by name: which contract a release follows is ``contract``'s business.
"""

from __future__ import annotations

from types import MappingProxyType

from model_repo_builder.checkpoint import ModelFacts
from model_repo_builder.contract import resolve
from model_repo_builder.errors import ContractError, SettingsError
from model_repo_builder.settings import RepoSettings

_FIRST_CONTRACT = "v0.10.0"
_TYPES = MappingProxyType({"float16": "TYPE_FP16", "bfloat16": "TYPE_BF16", "float32": "TYPE_FP32"})
_LOGITS = ("float32", "float16")


def contract_name(settings: RepoSettings, facts: ModelFacts) -> str:
    """The contract that was asked for, else the one of the release that built the engine."""
    if settings.engine != "trtllm":
        return settings.contract or _FIRST_CONTRACT
    if facts.release is None:
        if settings.contract is None:
            raise SettingsError(f"{facts.path} does not say which release built it: give the contract to follow")
        return settings.contract
    if settings.contract is None:
        try:
            resolve(facts.release)
        except ContractError as error:
            raise ContractError(
                f"the engine in {facts.path} was built by TensorRT-LLM {facts.release}: {error}"
            ) from None
        return facts.release
    asked = resolve(settings.contract)[0]
    try:
        fits = resolve(facts.release)[0] == asked
    except ContractError:
        fits = False
    if not fits:
        raise SettingsError(
            f"contract {settings.contract} does not fit: the engine in {facts.path} was built by TensorRT-LLM "
            f"{facts.release}, and only that release can run it; leave the contract away, or build the engine again"
        )
    return settings.contract


def check(settings: RepoSettings, facts: ModelFacts) -> None:
    """What an engine was built for cannot be changed when it is served."""
    for name, asked, built in (
        ("triton_max_batch_size", settings.triton_max_batch_size, facts.max_batch_size),
        ("max_beam_width", settings.max_beam_width, facts.max_beam_width),
    ):
        if built is not None and asked > built:
            raise SettingsError(f"{name} is {asked}, but the engine in {facts.path} was built for at most {built}")
    for name in ("enable_kv_cache_reuse", "enable_chunked_context"):
        if getattr(settings, name) and facts.paged_context is False:
            raise SettingsError(
                f"{name} needs an engine built with --use_paged_context_fmha enable, and {facts.path} was not: "
                f"build it again, or leave {name} off"
            )
    if settings.batching_strategy != "V1":
        for known, flag in (
            (facts.paged_cache, "a paged KV cache (--kv_cache_type paged; before 0.13 --paged_kv_cache enable)"),
            (facts.packed_input, "--remove_input_padding enable"),
        ):
            if known is False:
                raise SettingsError(
                    f"batching_strategy {settings.batching_strategy} needs an engine built with {flag}, and "
                    f"{facts.path} was not: build it again, or use V1"
                )
    for name in ("gpu_device_ids", "participant_ids"):
        _check_groups(name, getattr(settings, name), facts)
    if facts.lora is False and settings.lora_prefetch_dir is not None:
        raise SettingsError(
            f"lora_prefetch_dir needs an engine built with --lora_plugin, and {facts.path} was not: build it again, or "
            "leave lora_prefetch_dir away"
        )


def logits_type(settings: RepoSettings, facts: ModelFacts) -> str:
    """The type of the logits tensors, which must be that of the engine."""
    if facts.logits_dtype is None:
        return settings.logits_datatype or "TYPE_FP32"
    if facts.logits_dtype not in _LOGITS:
        raise SettingsError(
            f"the engine in {facts.path} has logits of {facts.logits_dtype}, which Triton's models cannot declare: "
            "build it again with --logits_dtype float32"
        )
    built = _TYPES[facts.logits_dtype]
    if settings.logits_datatype not in (None, built):
        raise SettingsError(
            f"logits_datatype is {settings.logits_datatype}, but the engine in {facts.path} was built with {built}: "
            "leave logits_datatype away"
        )
    return built


def weights_type(asked: str | None, facts: ModelFacts) -> str:
    """The type of tensors that meet the engine's weights."""
    return asked or _TYPES.get(facts.dtype or "", "TYPE_FP16")


def _check_groups(name: str, value: str | None, facts: ModelFacts) -> None:
    """One number per rank of the engine, for every instance."""
    if value is None or facts.world_size is None:
        return
    for group in value.split(";"):
        if len(group.split(",")) != facts.world_size:
            raise SettingsError(
                f"{name} is {value!r}, but each instance of the engine in {facts.path} has {facts.world_size} ranks: "
                f"give {facts.world_size} numbers for each"
            )
