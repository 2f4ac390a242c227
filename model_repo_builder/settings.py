"""What a deployment chooses for its model repository: every setting, its default, and its check at construction.

Knows the meaning of the settings and which of them go together. Must not know where a value ends up: that is
the contract's business. The defaults are those that NVIDIA's guides and the issue trackers of TensorRT-LLM
agree on.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model_repo_builder.errors import SettingsError

ENGINES = ("trtllm", "openvino")
CHOICES = MappingProxyType(
    {
        "engine": ENGINES,
        "batching_strategy": ("inflight_fused_batching", "inflight_batching", "V1"),
        "batch_scheduler_policy": ("guaranteed_no_evict", "max_utilization"),
        "decoding_mode": ("top_k", "top_p", "top_k_top_p", "beam_search", "medusa"),
    }
)

_AT_LEAST_ONE = ("triton_max_batch_size", "preprocessing_instance_count", "postprocessing_instance_count")
_AT_LEAST_ONE_IF_GIVEN = (
    "bls_instance_count",
    "max_seq_len",
    "max_tokens_in_paged_kv_cache",
    "max_attention_window_size",
    "vocab_size",
)
_AT_LEAST_ZERO_IF_GIVEN = ("max_queue_delay_microseconds", "sink_token_length", "kv_cache_host_memory_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoSettings:
    """All choices of one model repository. ``None`` is "not given": the engine's own default holds."""

    # What is served.
    engine: str
    tokenizer_dir: Path
    model_name: str = "qwen"
    engine_dir: Path | None = None
    model_path: Path | None = None
    contract: str = "v0.10.0"
    triton_address: str = "127.0.0.1:8001"
    tensorrt_llm_model_name: str = "tensorrt_llm"

    # Sizes. For TensorRT-LLM the batch size is at most the one the engine was built with.
    triton_max_batch_size: int = 8
    max_beam_width: int = 1
    max_seq_len: int | None = None
    vocab_size: int | None = None

    # Instances of the Python models. More than one postprocessing instance would answer a stream out of order.
    preprocessing_instance_count: int = 1
    postprocessing_instance_count: int = 1
    bls_instance_count: int | None = None

    # Streaming and text.
    decoupled_mode: bool = True
    accumulate_tokens: bool = False
    exclude_input_in_output: bool = True
    add_special_tokens: bool = False
    skip_special_tokens: bool = True
    trust_remote_code: bool = False
    cancellation_check_period_ms: int = 50

    # The scheduler of the engine.
    batching_strategy: str = "inflight_fused_batching"
    batch_scheduler_policy: str = "guaranteed_no_evict"
    max_queue_delay_microseconds: int = 0
    enable_chunked_context: bool | None = None  # not given: on where the engine can do it
    enable_kv_cache_reuse: bool = False
    kv_cache_free_gpu_mem_fraction: float = 0.85
    max_tokens_in_paged_kv_cache: int | None = None
    max_attention_window_size: int | None = None
    sink_token_length: int | None = None
    kv_cache_host_memory_bytes: int | None = None
    gpu_device_ids: str | None = None
    decoding_mode: str | None = None
    normalize_log_probs: bool | None = None

    def __post_init__(self) -> None:
        _check_types(self)
        _check_ranges(self)
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise SettingsError(f"{name} is {value!r}: choose one of {', '.join(allowed)}")
        if not self.model_name or not self.model_name.isprintable() or self.model_name != self.model_name.strip():
            raise SettingsError(f"model_name is {self.model_name!r}: give the name that API clients send as `model`")
        if not re.fullmatch(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}", self.triton_address):
            raise SettingsError(f"triton_address is {self.triton_address!r}: give host:port, such as 127.0.0.1:8001")
        if self.engine == "openvino" and self.model_path is None:
            raise SettingsError("engine openvino needs a model: give a Qwen GGUF file or an OpenVINO IR folder")
        if self.engine == "trtllm" and self.engine_dir is None:
            raise SettingsError("engine trtllm needs engine_dir: give the folder that trtllm-build wrote")
        if self.decoupled_mode and self.postprocessing_instance_count > 1:
            raise SettingsError(
                f"postprocessing_instance_count is {self.postprocessing_instance_count}, "
                "but several instances answer the "
                "pieces of one stream out of order: use 1, or set decoupled_mode to false if nobody streams"
            )
        if self.enable_kv_cache_reuse and self.max_beam_width > 1:
            raise SettingsError("enable_kv_cache_reuse works with max_beam_width 1 only: turn one of them off")

    @property
    def bls_instances(self) -> int:
        """An instance serves one request at a time, so there is one for each sequence of a batch."""
        return self.triton_max_batch_size if self.bls_instance_count is None else self.bls_instance_count


def _check_types(settings: RepoSettings) -> None:
    """Dataclasses do not check types, and ``True`` passes for 1: a wrong value must not become a config file."""
    kinds: dict[str, Any] = {"int": int, "bool": bool, "str": str, "Path": Path, "float": (int, float)}
    for spec in fields(settings):
        value, kind = getattr(settings, spec.name), str(spec.type)
        if value is None and kind.endswith(" | None"):
            continue
        expected = kinds[kind.removesuffix(" | None")]
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise SettingsError(f"{spec.name} is {value!r}: it must be of type {kind.removesuffix(' | None')}")


def _check_ranges(settings: RepoSettings) -> None:
    for name in (*_AT_LEAST_ONE, "max_beam_width", "cancellation_check_period_ms", *_AT_LEAST_ONE_IF_GIVEN):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise SettingsError(f"{name} is {value}: it must be at least 1")
    for name in _AT_LEAST_ZERO_IF_GIVEN:
        value = getattr(settings, name)
        if value is not None and value < 0:
            raise SettingsError(f"{name} is {value}: it must not be negative")
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        # The widest number that ModelConfig holds for a count; parameters are text, and no sane value is larger.
        wide = spec.name == "kv_cache_host_memory_bytes"
        if isinstance(value, int) and value > (2**63 - 1 if wide else 2**31 - 1):
            raise SettingsError(f"{spec.name} is {value}: that is more than Triton can hold")
    fraction = settings.kv_cache_free_gpu_mem_fraction
    if not math.isfinite(fraction) or not 0 < fraction < 1:
        raise SettingsError(
            f"kv_cache_free_gpu_mem_fraction is {fraction}: it is the share of free GPU memory to use, between 0 and 1"
        )
