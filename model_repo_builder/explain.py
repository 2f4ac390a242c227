"""Every setting of a repository with its value, where that came from, and why.

Knows the reasons for defaults, which are those of NVIDIA's guides and of reports in issue trackers. Must not know what
a contract declares beyond the names of the settings in it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields
from types import MappingProxyType

from model_repo_builder.repository import Plan
from model_repo_builder.setting_values import UNSET
from model_repo_builder.settings import RepoSettings

_WIDTH = 110
_NOT_GIVEN = "left out of the configuration, so that the engine's own default holds"
_REASONS = MappingProxyType(
    {
        "accumulate_tokens": "clients that add up what is streamed want what is new, not the whole text again",
        "add_special_tokens": "a chat prompt brings its control tokens; twice they change the answers",
        "batch_scheduler_policy": "a running request is never paused; max_utilization needs memory to spare",
        "batching_strategy": "requests join and leave a batch at any step; V1 waits for the slowest",
        "bls_instance_count": "an instance serves one request at a time, so one for each of a batch",
        "cancellation_check_period_ms": "the engine's own 100 ms hold the place of who has left twice as long",
        "cross_kv_cache_fraction": "for models with an encoder, which Qwen's text models are not",
        "decoding_mode": "the engine then takes what each request asks for",
        "decoupled_mode": "streaming needs it: one request, many answers",
        "enable_chunked_context": "long prompts do not hold up running answers; needs paged context FMHA",
        "enable_kv_cache_reuse": "equal beginnings are computed once; needs paged context FMHA, and no beams",
        "encoder_engine_dir": "for models with an encoder, which Qwen's text models are not",
        "encoder_input_features_data_type": "that of the engine's weights",
        "engine_dir": "the folder that trtllm-build wrote",
        "exclude_input_in_output": "an answer that repeats its prompt has to be cut by every client",
        "gpu_device_ids": "one instance on the visible GPUs; with several instances each needs GPUs of its own",
        "guided_decoding_backend": "without it answers cannot be held to a schema, and the gateway says so",
        "guided_decoding_guide_types": "tells the gateway which guides it may send: none without a backend for them",
        "kv_cache_free_gpu_mem_fraction": "0.9 of what is free after loading has run out of memory under load; several "
        "engines on a GPU need max_tokens_in_paged_kv_cache instead",
        "logits_datatype": "it must be the type of the engine's logits, so it is read from the engine",
        "lora_prefetch_dir": "only for engines built with the LoRA plugin",
        "max_beam_width": "no client of a chat API asks for beams, and they take memory",
        "max_queue_delay_microseconds": "the engine batches while it runs; holding requests back delays them",
        "max_queue_size": "a queue with an end refuses what it could only answer too late; 0 has no end",
        "num_nodes": "one machine",
        "tensor_parallel_size": "one GPU",
        "pipeline_parallel_size": "one GPU",
        "eos_token_ids": "every id that ends an answer, as the tokenizer's and the model's files name them",
        "max_seq_len": "as much as the model holds",
        "model_path": "the file or folder that was given",
        "vocab_size": "the length of the engine's logits, which is padded beyond the tokenizer's ids",
        "participant_ids": "for orchestrator mode with several instances",
        "postprocessing_instance_count": "several answer the pieces of one stream out of order",
        "preprocessing_instance_count": "only the ensemble uses it: the direct route and BLS tokenize themselves",
        "prompt_embedding_table_data_type": "that of the engine's weights",
        "skip_special_tokens": "<|im_end|> is no part of an answer",
        "tensorrt_llm_draft_model_name": "no draft model is served beside the engine",
        "tensorrt_llm_model_name": "the engine's name in this repository",
        "tokenizer_dir": "text and tokens must be those of the model's own tokenizer",
        "triton_max_batch_size": "at most what the engine was built for; more at once means more memory for the cache",
        "trust_remote_code": "Python files of a tokenizer folder run only if you trust who wrote them",
        "visual_model_path": "text models only",
        "multimodal_model_path": "text models only",
        "multimodal_encoders_name": "text models only",
        "max_num_images": "text models only",
        "xgrammar_tokenizer_info_path": "goes with guided_decoding_backend",
    }
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """``origin``: given, default, derived (from the model's own files) or left out."""

    name: str
    value: str
    origin: str
    reason: str


def explain(plan: Plan, settings: RepoSettings) -> Iterator[Explanation]:
    """One for each setting that the contract has a place for, by name."""
    defaults = {spec.name: spec.default for spec in fields(settings)}
    for name in sorted(plan.contract.settings or plan.values):  # llmapi's are in model.yaml alone
        value = plan.values.get(name)
        chosen = getattr(settings, name, None)
        if value is None:
            origin = "left out"
        elif name in defaults and chosen is not None and chosen != defaults[name]:
            origin = "given"
        else:
            origin = "default" if chosen is not None else "derived"
        reason = _REASONS.get(name, "")
        if value is None:
            reason = f"{reason}; {_NOT_GIVEN}" if reason and name not in UNSET else reason or _NOT_GIVEN
        yield Explanation(name, "-" if value is None else _shown(value), origin, reason or "as it was asked for")


def explained(plan: Plan, settings: RepoSettings) -> str:
    """The same as text."""
    lines = [f"contract {plan.contract.release}"]
    if plan.contract.inferred:
        lines.append(f"  inferred: {plan.contract.inferred}")
    for row in explain(plan, settings):
        lines += ["", f"{row.name} = {row.value}  ({row.origin})"]
        lines += textwrap.wrap(row.reason, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
