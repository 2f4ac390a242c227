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

ENGINES = ("trtllm", "openvino", "llmapi")
_TYPES = ("TYPE_FP16", "TYPE_BF16", "TYPE_FP32")
CHOICES = MappingProxyType(
    {
        "engine": ENGINES,
        "batching_strategy": ("inflight_fused_batching", "inflight_batching", "V1"),
        "batch_scheduler_policy": ("guaranteed_no_evict", "max_utilization"),
        "decoding_mode": ("top_k", "top_p", "top_k_top_p", "beam_search", "medusa"),
        "guided_decoding_backend": ("xgrammar",),
        "logits_datatype": ("TYPE_FP32", "TYPE_FP16"),
        "encoder_input_features_data_type": _TYPES,
        "prompt_embedding_table_data_type": _TYPES,
    }
)

_AT_LEAST_ONE = (
    "triton_max_batch_size",
    "preprocessing_instance_count",
    "postprocessing_instance_count",
    "tensor_parallel_size",
    "pipeline_parallel_size",
)
_AT_LEAST_ONE_IF_GIVEN = (
    "bls_instance_count",
    "max_seq_len",
    "max_tokens_in_paged_kv_cache",
    "max_attention_window_size",
    "vocab_size",
    "num_nodes",
    "lora_cache_optimal_adapter_size",
    "lora_cache_max_adapter_size",
)
_AT_LEAST_ZERO_IF_GIVEN = (
    "max_queue_delay_microseconds",
    "max_queue_size",
    "sink_token_length",
    "kv_cache_host_memory_bytes",
    "cuda_graph_cache_size",
    "lora_cache_host_memory_bytes",
)
_WIDE = ("kv_cache_host_memory_bytes", "lora_cache_host_memory_bytes")
_SHARES = ("kv_cache_free_gpu_mem_fraction", "lora_cache_gpu_memory_fraction", "gpu_weights_percent")
_GROUPS = ("gpu_device_ids", "participant_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoSettings:
    """All choices of one model repository. ``None`` is "not given": the engine's own default holds."""

    # What is served.
    engine: str
    tokenizer_dir: Path
    model_name: str = "qwen"
    engine_dir: Path | None = None
    model_path: Path | None = None
    contract: str | None = None  # not given: that of the release which built the engine
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
    max_queue_size: int = 1024
    enable_chunked_context: bool | None = None  # not given: on where the engine can do it
    enable_kv_cache_reuse: bool | None = None  # not given: on where the engine can do it
    kv_cache_free_gpu_mem_fraction: float = 0.85
    max_tokens_in_paged_kv_cache: int | None = None
    max_attention_window_size: int | None = None
    sink_token_length: int | None = None
    kv_cache_host_memory_bytes: int | None = None
    gpu_device_ids: str | None = None
    decoding_mode: str | None = None
    normalize_log_probs: bool | None = None

    # What releases after the first have.
    multi_block_mode: bool | None = None
    enable_context_fmha_fp32_acc: bool | None = None
    kv_cache_onboard_blocks: bool | None = None
    gpu_weights_percent: float | None = None
    cuda_graph_mode: bool | None = None
    cuda_graph_cache_size: int | None = None
    participant_ids: str | None = None
    num_nodes: int | None = None
    guided_decoding_backend: str | None = None
    xgrammar_tokenizer_info_path: Path | None = None
    logits_datatype: str | None = None  # these three not given: those of the engine
    encoder_input_features_data_type: str | None = None
    prompt_embedding_table_data_type: str | None = None

    # llmapi alone: its engine is not built before it is served.
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    official_dir: Path | None = None

    # Adapters.
    lora_cache_optimal_adapter_size: int | None = None
    lora_cache_max_adapter_size: int | None = None
    lora_cache_gpu_memory_fraction: float | None = None
    lora_cache_host_memory_bytes: int | None = None
    lora_prefetch_dir: Path | None = None

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
        if self.engine == "llmapi" and self.model_path is None:
            raise SettingsError("engine llmapi needs a model: give the folder of a Hugging Face Qwen checkpoint")
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
        _check_together(self)

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
        if isinstance(value, int) and value > (2**63 - 1 if spec.name in _WIDE else 2**31 - 1):
            raise SettingsError(f"{spec.name} is {value}: that is more than Triton can hold")
    for name in _SHARES:
        share = getattr(settings, name)
        whole = name == "gpu_weights_percent"  # 1: all weights stay on the GPU
        if share is not None and not ((math.isfinite(share) and 0 < share < 1) or (whole and share in (0, 1))):
            raise SettingsError(f"{name} is {share}: it is a share of GPU memory, so give a number between 0 and 1")


def _check_together(settings: RepoSettings) -> None:
    """Settings that need each other, and those whose text has a form."""
    for name in _GROUPS:
        value = getattr(settings, name)
        if value is not None and not re.fullmatch(r"\d+(,\d+)*(;\d+(,\d+)*)*", value):
            raise SettingsError(f"{name} is {value!r}: give numbers like 0,1 for one instance, 0,1;2,3 for two")
    backend, info = settings.guided_decoding_backend, settings.xgrammar_tokenizer_info_path
    if settings.engine == "openvino" and backend is not None:
        raise SettingsError("guided_decoding_backend is for engine trtllm: the CPU engine takes guides without it")
    if (backend is None) != (info is None):
        raise SettingsError(
            "guided_decoding_backend and xgrammar_tokenizer_info_path go together: TensorRT-LLM's examples have a "
            "script that writes the file (generate_xgrammar_tokenizer_info.py); give both or neither"
        )
    for name in ("tensor_parallel_size", "pipeline_parallel_size"):
        if settings.engine != "llmapi" and getattr(settings, name) != 1:
            raise SettingsError(f"{name} is for engine llmapi: elsewhere it is decided when the engine is built")
    largest, optimal = settings.lora_cache_max_adapter_size, settings.lora_cache_optimal_adapter_size
    if largest is not None and optimal is not None and optimal > largest:
        raise SettingsError(
            f"lora_cache_optimal_adapter_size is {optimal}, more than lora_cache_max_adapter_size ({largest}): lower it"
        )
