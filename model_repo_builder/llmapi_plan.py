"""Settings → a repository of the one ``llmapi`` model, which loads a Hugging Face checkpoint itself.

Knows which settings have a place in ``model.yaml``. A setting that has none is refused: there is no engine here that it
could mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from model_repo_builder import llmapi
from model_repo_builder.checkpoint import ModelFacts, longest_sequence, read_tokenizer
from model_repo_builder.contract import ENGINE_MODEL, Contract
from model_repo_builder.errors import SettingsError
from model_repo_builder.gateway_toml import FILE_NAME, GatewayModel, gateway_toml
from model_repo_builder.qwen import read_checkpoint
from model_repo_builder.render import pbtxt
from model_repo_builder.repository import Plan
from model_repo_builder.settings import RepoSettings

CONTRACT = "llmapi"
# Settings of the repository itself, and those that model.yaml takes under other names than the data's rows.
_OWN = ("engine", "tokenizer_dir", "model_name", "model_path", "contract", "official_dir", "triton_address")
_DIRECT = MappingProxyType(
    {
        "tensor_parallel_size": "tensor_parallel_size",
        "pipeline_parallel_size": "pipeline_parallel_size",
        "triton_max_batch_size": "max_batch_size",
        "max_seq_len": "max_seq_len",
        "decoupled_mode": "triton_config.decoupled",
        "trust_remote_code": "trust_remote_code",
        "vocab_size": "",  # for the gateway alone
    }
)
_KINDS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"upper": str.upper, "ints": lambda value: value if isinstance(value, list) else [value]}
)


def plan_llmapi(settings: RepoSettings) -> Plan:
    assert settings.model_path is not None  # checked by RepoSettings
    if settings.contract not in (None, CONTRACT):
        raise SettingsError(f"contract {settings.contract} is one of TensorRT engines: leave it away for engine llmapi")
    rows = {row["parameter"]: row for row in llmapi.data()["taken_over"]}
    _check_known(settings, rows)
    tokenizer, checkpoint = read_tokenizer(settings.tokenizer_dir), read_checkpoint(settings.model_path)
    facts = ModelFacts(settings.model_path, checkpoint.max_positions, checkpoint.vocab)
    gateway = GatewayModel(
        name=settings.model_name,
        triton=settings.triton_address,
        route="llmapi",
        tokenizer=settings.tokenizer_dir.resolve(),
        max_model_len=longest_sequence(facts, tokenizer, settings.max_seq_len),
        eos_token_ids=tokenizer.end_ids,
        vocab_size=settings.vocab_size or checkpoint.vocab,
        direct=ENGINE_MODEL,
    )
    values: dict[str, Any] = {name: getattr(settings, name) for name in (*_DIRECT, *rows)}
    values.update(max_seq_len=gateway.max_model_len, vocab_size=gateway.vocab_size)
    written: dict[str, Any] = {
        "model": str(settings.model_path.resolve()),
        "tokenizer": str(settings.tokenizer_dir.resolve()),
        "backend": "pytorch",
    }
    for name, value in values.items():
        row = rows.get(name)
        key, convert = (row["key"], _KINDS.get(row["kind"])) if row else (_DIRECT[name], None)
        if value is not None and key:
            _put(written, key, convert(value) if convert else value)
    _put(written, "triton_config.max_batch_size", 0)
    declared = llmapi.model(decoupled=settings.decoupled_mode)
    inferred = str(llmapi.data()["inferred"])
    folder = PurePosixPath(ENGINE_MODEL)
    comments = ("Read by the llmapi model: all but triton_config are arguments of tensorrt_llm.LLM.", inferred)
    files = {
        folder / "config.pbtxt": pbtxt(declared, {}).encode(),
        folder / "1" / llmapi.MODEL_YAML: llmapi.model_yaml(written, comments).encode(),
        PurePosixPath(FILE_NAME): gateway_toml(gateway).encode(),
    }
    source = settings.official_dir or (llmapi.IN_CONTAINER if llmapi.IN_CONTAINER.is_dir() else None)
    notes: tuple[str, ...] = ()
    if source is not None:
        files |= {folder / "1" / name: content for name, content in llmapi.official_files(source).items()}
    else:
        notes = (
            f"copy model.py and helpers.py of your release to {folder / '1'}: they lie in "
            f"{llmapi.IN_CONTAINER / ENGINE_MODEL / '1'} of its container (or give --official)",
        )
    contract = Contract(CONTRACT, (declared,), inferred)
    return Plan(MappingProxyType(files), gateway, contract, MappingProxyType(values), notes)


def _check_known(settings: RepoSettings, rows: Mapping[str, Any]) -> None:
    for spec in fields(settings):
        known = spec.name in _OWN or spec.name in _DIRECT or spec.name in rows
        if not known and getattr(settings, spec.name) != spec.default:
            raise SettingsError(f"{spec.name} has no place in an llmapi repository: leave it away or use engine trtllm")


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value
