"""Checks of single values: enums, booleans, numbers. What may stand where is data; a new parameter is a row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from model_repo_builder.config_text import Config
from model_repo_builder.doctor.finding import Finding, Severity, error, note, warning
from model_repo_builder.doctor.subject import BLS, ENGINE, POSTPROCESSING, PREPROCESSING, Subject


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter of the engine model with a closed list of values, and what happens with any other."""

    parameter: str
    allowed: tuple[str, ...]
    severity: Severity
    why: str


_DEFAULT_INSTEAD = "the backend writes one warning into its log and uses the default instead"
CHOICES = (
    Choice(
        "gpt_model_type",
        ("inflight_fused_batching", "inflight_batching", "V1"),
        Severity.ERROR,
        "the backend knows no other batching strategy (batching_strategy of the templates) and refuses to load",
    ),
    Choice(
        "batch_scheduler_policy",
        ("guaranteed_no_evict", "max_utilization", "static_batch"),
        Severity.WARNING,
        _DEFAULT_INSTEAD,
    ),
    Choice(
        "decoding_mode",
        (
            *("auto", "top_k", "top_p", "top_k_top_p", "beam_search", "medusa"),
            *("redrafter", "lookahead", "eagle", "explicit_draft_tokens"),
        ),
        Severity.WARNING,
        _DEFAULT_INSTEAD,
    ),
    Choice(
        "guided_decoding_backend",
        ("xgrammar", "llguidance"),
        Severity.WARNING,
        _DEFAULT_INSTEAD,
    ),
)

BOOLEANS = (
    (ENGINE, "enable_kv_cache_reuse"),
    (ENGINE, "enable_chunked_context"),
    (ENGINE, "exclude_input_in_output"),
    (ENGINE, "normalize_log_probs"),
    (ENGINE, "kv_cache_onboard_blocks"),
    (ENGINE, "multi_block_mode"),
    (PREPROCESSING, "add_special_tokens"),
    (POSTPROCESSING, "skip_special_tokens"),
    (BLS, "accumulate_tokens"),
)
_BOOLEAN_TEXTS = frozenset({"true", "false", "1", "0", "yes", "no", "t", "f", "y", "n", "on", "off"})

# Parameters of the engine that are numbers: whether whole, the least, the most.
NUMBERS: tuple[tuple[str, bool, float, float], ...] = (
    ("kv_cache_free_gpu_mem_fraction", False, 0, 1),
    ("lora_cache_gpu_memory_fraction", False, 0, 1),
    ("gpu_weights_percent", False, 0, 1),
    ("max_tokens_in_paged_kv_cache", True, 1, math.inf),
    ("max_beam_width", True, 1, math.inf),
    ("sink_token_length", True, 0, math.inf),
    ("kv_cache_host_memory_bytes", True, 0, math.inf),
    ("cancellation_check_period_ms", True, 1, math.inf),
)
_MOST_FRACTION = 0.95
_LONG_DELAY = 1000


def choices(subject: Subject) -> Iterator[Finding]:
    for config in _engine(subject):
        for row in CHOICES:
            text = config.parameter(row.parameter)
            if text is not None and text not in row.allowed:
                yield Finding(
                    "enum",
                    row.severity,
                    config.name,
                    f"{row.parameter} is {text!r}",
                    row.why,
                    f"choose one of {', '.join(row.allowed)}",
                )


def booleans(subject: Subject) -> Iterator[Finding]:
    for model, parameter in BOOLEANS:
        config = subject.model(model)
        text = None if config is None else config.parameter(parameter)
        if text is not None and text.lower() not in _BOOLEAN_TEXTS:
            yield warning(
                "boolean",
                model,
                f"{parameter} is {text!r}, which is neither true nor false",
                "what cannot be read as a boolean is taken as not given, or as false",
                f"set {parameter} to true or false",
            )


def numbers(subject: Subject) -> Iterator[Finding]:
    for config in _engine(subject):
        for parameter, whole, least, most in NUMBERS:
            text = config.parameter(parameter)
            if text is None:
                continue
            value = _number(text)
            if value is None or (whole and value != int(value)) or not least <= value <= most:
                kind = "a whole number" if whole else "a number"
                limit = f"from {least:g} to {most:g}" if most < math.inf else f"of at least {least:g}"
                yield error(
                    "number",
                    config.name,
                    f"{parameter} is {text!r}",
                    f"it must be {kind} {limit}; the backend cannot use another",
                    f"set {parameter} to {kind} {limit}",
                )


def cache(subject: Subject) -> Iterator[Finding]:
    for config in _engine(subject):
        fraction = _number(config.parameter("kv_cache_free_gpu_mem_fraction") or "")
        tokens = config.parameter("max_tokens_in_paged_kv_cache")
        if fraction is not None and _MOST_FRACTION < fraction <= 1:
            yield warning(
                "cache-fraction",
                config.name,
                f"kv_cache_free_gpu_mem_fraction is {fraction:g}",
                "it is a share of what is free after loading; with next to nothing left the first long batch runs out "
                "of memory",
                "set it to 0.85 or 0.9, or lower where something else uses the GPU",
            )
        if fraction is not None and tokens is not None:
            yield note(
                "cache-twice",
                config.name,
                f"the cache is limited twice: {tokens} tokens, and {fraction:g} of free GPU memory",
                "the smaller of the two holds, so one of them has no effect",
                "keep max_tokens_in_paged_kv_cache where engines share a GPU, and the fraction elsewhere",
            )


def scheduling(subject: Subject) -> Iterator[Finding]:
    for config in _engine(subject):
        if config.parameter("batch_scheduler_policy") == "max_utilization":
            yield warning(
                "max-utilization",
                config.name,
                "batch_scheduler_policy is max_utilization",
                "when the cache is full running requests are paused and computed again, which costs far more than it "
                "gains",
                "set it to guaranteed_no_evict, unless the cache has much room and latency does not matter",
            )
    for config in subject.models.values():
        delay = int(config.message.dynamic_batching.max_queue_delay_microseconds)
        if delay > _LONG_DELAY:
            yield warning(
                "queue-delay",
                config.name,
                f"max_queue_delay_microseconds is {delay}",
                "every first token waits up to that long, and in-flight batching gains nothing by it",
                "set it to 0",
            )


def instances(subject: Subject) -> Iterator[Finding]:
    for config in subject.models.values():
        kinds = {group.kind for group in config.message.instance_group}
        if kinds & {1, 4} and config.backend in ("tensorrtllm", "python"):  # KIND_GPU, KIND_MODEL
            yield warning(
                "instance-kind",
                config.name,
                "instance_group asks for GPUs",
                "an engine's GPUs come from gpu_device_ids, not from instance_group: instances would pile up on one",
                "set kind to KIND_CPU, and name the GPUs in gpu_device_ids",
            )
    for config in _engine(subject):
        count, ids = config.instances, config.parameter("gpu_device_ids")
        if config.backend != "tensorrtllm" or count in (None, 1) or len((ids or "").split(";")) == count:
            continue
        yield error(
            "engine-instances",
            config.name,
            f"{count} instances of the engine, but gpu_device_ids is {ids or 'not given'!r}",
            "all instances load the engine onto the same GPU",
            f"give {count} groups of GPUs, such as {';'.join(str(i) for i in range(count or 0))}, or set count to 1",
        )


def _engine(subject: Subject) -> Iterator[Config]:
    config = subject.model(ENGINE)
    if config is not None:
        yield config


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


CHECKS = (choices, booleans, numbers, cache, scheduling, instances)
