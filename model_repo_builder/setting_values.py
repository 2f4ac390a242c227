"""The settings under the names that contracts use, with what the checkpoint adds.

Knows which values follow from the model, and which names no deployment of ours sets. Must not know where in a
configuration a value goes: that is the contract's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType

from model_repo_builder.checkpoint import ModelFacts
from model_repo_builder.contract import Contract, load, releases
from model_repo_builder.engine_check import logits_type, weights_type
from model_repo_builder.errors import SettingsError
from model_repo_builder.gateway_toml import GatewayModel
from model_repo_builder.settings import RepoSettings

Values = Mapping[str, str | int | float | bool | None]

# What contracts name but no deployment of ours sets: left out, the engine's own default holds.
UNSET = (
    "cross_kv_cache_fraction",
    "eagle_choices",
    "encoder_engine_dir",
    "iter_stats_max_iterations",
    "lookahead_ngram_size",
    "lookahead_verification_set_size",
    "lookahead_window_size",
    "max_num_images",
    "medusa_choices",
    "multimodal_encoders_name",
    "multimodal_model_path",
    "request_stats_max_iterations",
    "speculative_decoding_fast_logits",
    "stats_check_period_ms",
    "tensorrt_llm_draft_model_name",
    "visual_model_path",
)
# The guide types of TensorRT-LLM's guided decoding, where a backend for it is set.
_GUIDES = "json,json_schema,regex,ebnf_grammar"


def setting_values(settings: RepoSettings, facts: ModelFacts, gateway: GatewayModel) -> Values:
    values: dict[str, str | int | float | bool | None] = {}
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        values[spec.name] = str(value.resolve()) if isinstance(value, Path) else value
    values.update(dict.fromkeys(UNSET))
    values.update(
        bls_instance_count=settings.bls_instances,
        enable_chunked_context=_chunked_context(settings, facts),
        enable_kv_cache_reuse=_reuse(settings, facts),
        max_seq_len=gateway.max_model_len,
        vocab_size=gateway.vocab_size,
        eos_token_ids=",".join(map(str, gateway.eos_token_ids)),
        guided_decoding_guide_types=_GUIDES if settings.guided_decoding_backend else "",
        logits_datatype=logits_type(settings, facts),
        encoder_input_features_data_type=weights_type(settings.encoder_input_features_data_type, facts),
        prompt_embedding_table_data_type=weights_type(settings.prompt_embedding_table_data_type, facts),
    )
    return MappingProxyType(values)


def check_known(settings: RepoSettings, contract: Contract) -> None:
    """A setting that the contract has no place for would be dropped without a word."""
    for spec in fields(settings):
        if spec.name in contract.settings or getattr(settings, spec.name) == spec.default:
            continue
        having = [release for release in releases() if spec.name in load(release).settings]
        if having and contract.release not in having:
            raise SettingsError(
                f"contract {contract.release} has no {spec.name}: it came with {having[0].removeprefix('v')}; "
                "leave it away, or serve an engine of that release or later"
            )


def _chunked_context(settings: RepoSettings, facts: ModelFacts) -> bool:
    if settings.enable_chunked_context is not None:
        return settings.enable_chunked_context
    return facts.paged_context is not False


def _reuse(settings: RepoSettings, facts: ModelFacts) -> bool:
    """Not given it is on only where it is known to work: it has no use without paged context, nor with beams."""
    if settings.enable_kv_cache_reuse is not None:
        return settings.enable_kv_cache_reuse
    return facts.paged_context is True and settings.max_beam_width == 1
