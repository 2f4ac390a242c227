"""A repository for a TensorRT engine → one for ``llmapi``, with what is taken over and what is lost.

Knows both kinds of repository. Values are taken over by the rows of ``contracts/llmapi.json``; whatever has no row is
said to be lost, never dropped in silence. Nothing is converted: llmapi loads the checkpoint itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from model_repo_builder import llmapi
from model_repo_builder.checkpoint import read_tokenizer
from model_repo_builder.config_text import FILE, Config
from model_repo_builder.contract import ENGINE_MODEL, Contract
from model_repo_builder.doctor.engine_folder import Engine, served_engine
from model_repo_builder.doctor.subject import PREPROCESSING, Machine, Subject, read_repository
from model_repo_builder.errors import CheckpointError, RepositoryError, SettingsError
from model_repo_builder.gateway_toml import FILE_NAME, GatewayModel, gateway_toml
from model_repo_builder.qwen import QwenFacts, read_checkpoint
from model_repo_builder.render import pbtxt
from model_repo_builder.repository import Plan


@dataclass(frozen=True, slots=True)
class Taken:
    """``source`` is where the value stood, ``key`` where it stands in model.yaml."""

    source: str
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Lost:
    feature: str
    instead: str


@dataclass(frozen=True, slots=True)
class Migration:
    plan: Plan
    taken: tuple[Taken, ...]
    lost: tuple[Lost, ...]
    todo: tuple[str, ...]


def migrate(repository: Path, model: str | None = None, official: Path | None = None) -> Migration:
    """``model`` is the checkpoint to load: a folder, or a name on the hub. ``official``: where llmapi's files are."""
    subject = read_repository(repository, Machine())
    config = _engine_model(subject, repository)
    _, engine = served_engine(subject)
    tokenizer = _tokenizer(subject, repository)
    checkpoint, facts = _checkpoint(model, tokenizer)
    taken = (
        Taken("--model" if model else "tokenizer_dir", "model", checkpoint),
        Taken("tokenizer_dir", "tokenizer", str(tokenizer)),
        *_of_engine(config, engine),
        *_of_parameters(config),
        Taken("decoupled", "triton_config.decoupled", bool(config.decoupled)),
    )
    values: dict[str, Any] = {"model": checkpoint, "backend": "pytorch"}
    for row in taken:
        _put(values, row.key, row.value)
    _put(values, "triton_config.max_batch_size", 0)
    version = PurePosixPath(ENGINE_MODEL, "1")
    comments = (
        "Read by the llmapi model: all but triton_config are arguments of tensorrt_llm.LLM.",
        str(llmapi.data()["inferred"]),
    )
    declared = llmapi.model(decoupled=bool(config.decoupled))
    files = {
        PurePosixPath(ENGINE_MODEL, FILE): pbtxt(declared, {}).encode(),
        version / llmapi.MODEL_YAML: llmapi.model_yaml(values, comments).encode(),
    }
    source = official or (llmapi.IN_CONTAINER if llmapi.IN_CONTAINER.is_dir() else None)
    if source is not None:
        files |= {version / name: content for name, content in llmapi.official_files(source).items()}
    gateway = _gateway(subject, tokenizer, engine, facts)
    files[PurePosixPath(FILE_NAME)] = gateway_toml(gateway).encode()
    lost = (*_lost_features(subject), *_lost_parameters(config), *_lost_of_engine(engine))
    contract = Contract(str(llmapi.data()["release"]), (declared,), str(llmapi.data()["inferred"]))
    return Migration(Plan(MappingProxyType(files), gateway, contract, {}), taken, lost, _todo(engine, source))


def _engine_model(subject: Subject, repository: Path) -> Config:
    config = subject.model(ENGINE_MODEL)
    if config is not None and config.error is not None:
        raise RepositoryError(
            f"{repository / ENGINE_MODEL / FILE} cannot be read: mend what `model-repo-builder doctor` says about it"
        )
    if subject.llmapi:
        raise RepositoryError(f"{repository} is an llmapi repository already: there is nothing to migrate")
    if config is None or config.backend not in ("tensorrtllm", "${triton_backend}"):
        raise RepositoryError(
            f"{repository} serves no TensorRT engine: migrate takes a repository whose model {ENGINE_MODEL} has the "
            "backend tensorrtllm"
        )
    return config


def _tokenizer(subject: Subject, repository: Path) -> Path:
    config = subject.model(PREPROCESSING)
    text = None if config is None else config.parameter("tokenizer_dir")
    if text is None:
        raise RepositoryError(
            f"{repository} names no tokenizer: set tokenizer_dir in {PREPROCESSING}/{FILE} before it is migrated"
        )
    read_tokenizer(Path(text))
    return Path(text)


def _checkpoint(model: str | None, tokenizer: Path) -> tuple[str, QwenFacts | None]:
    """What llmapi loads, and its facts where it lies here."""
    if model is None:
        try:
            return str(tokenizer.resolve()), read_checkpoint(tokenizer)
        except CheckpointError as error:
            raise SettingsError(
                f"llmapi loads the checkpoint itself, and the tokenizer folder holds none ({error}): give --model with "
                "the folder of the checkpoint that the engine was built from"
            ) from error
    folder = Path(model)
    if folder.is_dir():
        return str(folder.resolve()), read_checkpoint(folder)
    if folder.is_absolute() or model.startswith(".") or model.count("/") != 1:
        raise CheckpointError(f"checkpoint {model} does not exist: give a folder, or a name such as Qwen/Qwen2.5-7B")
    return model, None


def _of_engine(config: Config, engine: Engine | None) -> tuple[Taken, ...]:
    rows: list[Taken] = []
    if config.batch_size:
        rows.append(Taken("max_batch_size", "max_batch_size", config.batch_size))
    if engine is None:
        return tuple(rows)
    for name, value in (("max_seq_len", engine.longest), ("max_num_tokens", engine.number("max_num_tokens"))):
        if value is not None:
            rows.append(Taken(f"the engine's {name}", name, value))
    mapping = engine.model.get("mapping")
    for name, key in (("tp_size", "tensor_parallel_size"), ("pp_size", "pipeline_parallel_size")):
        size = mapping.get(name) if isinstance(mapping, dict) else None
        rows.append(Taken(f"the engine's {name}", key, size if isinstance(size, int) else 1))
    if engine.quantization.get("kv_cache_quant_algo") == "FP8":
        rows.append(Taken("the engine's kv_cache_quant_algo", "kv_cache_config.dtype", "fp8"))
    return tuple(rows)


def _of_parameters(config: Config) -> tuple[Taken, ...]:
    rows = []
    for row in llmapi.data()["taken_over"]:
        text = config.parameter(row["parameter"])
        if text is None:
            continue
        try:
            value = _KINDS[row["kind"]](text)
        except ValueError:
            raise RepositoryError(
                f"{row['parameter']} is {text!r}, which cannot be taken over: correct it first, as "
                "`model-repo-builder doctor` says"
            ) from None
        rows.append(Taken(row["parameter"], row["key"], value))
    return tuple(rows)


def _lost_features(subject: Subject) -> tuple[Lost, ...]:
    """What clients could ask of this repository, and cannot ask of llmapi."""
    names = {tensor.name for config in subject.models.values() for tensor in config.message.input}
    return tuple(
        Lost(row["feature"], row["instead"]) for row in llmapi.data()["lost"] if names.intersection(row["tensors"])
    )


def _lost_parameters(config: Config) -> tuple[Lost, ...]:
    contract = llmapi.data()
    known = {row["parameter"] for row in contract["taken_over"]} | set(contract["of_no_use"])
    given = {name: config.parameter(name) for name in sorted(config.message.parameters) if name not in known}
    return tuple(
        Lost(f"{name} = {text}", "it has no counterpart that is known here: see the arguments of tensorrt_llm.LLM")
        for name, text in given.items()
        if text is not None and (name, text) != ("max_beam_width", "1")
    )


def _lost_of_engine(engine: Engine | None) -> tuple[Lost, ...]:
    algorithm = None if engine is None else engine.quantization.get("quant_algo")
    if algorithm is None:
        return ()
    return (
        Lost(
            f"the engine's quantization, {algorithm}",
            "it was made when the engine was built: give --model a checkpoint that is quantized already, or serve it "
            "as it is",
        ),
    )


def _todo(engine: Engine | None, source: Path | None) -> tuple[str, ...]:
    steps = []
    if source is None:
        steps.append(
            f"copy model.py and helpers.py of the release that serves it to {ENGINE_MODEL}/1: they lie in "
            f"{llmapi.IN_CONTAINER / ENGINE_MODEL / '1'} of its container (or migrate again with --official)"
        )
    if engine is None:
        steps.append(
            "the engine's config.json was not found, so max_seq_len, max_num_tokens and the number of GPUs are the "
            "defaults of llmapi: add them to model.yaml"
        )
    steps.append("compare answers and speed before you switch: the PyTorch backend was not tried here")
    return tuple(steps)


def _gateway(subject: Subject, tokenizer: Path, engine: Engine | None, checkpoint: QwenFacts | None) -> GatewayModel:
    facts = read_tokenizer(tokenizer)
    old: Mapping[str, Any] = subject.gateway[0] if subject.gateway else {}
    lengths = (
        old.get("max_model_len"),
        None if engine is None else engine.longest,
        None if checkpoint is None else checkpoint.max_positions,
        facts.max_positions,
    )
    length = next((each for each in lengths if isinstance(each, int)), None)
    if length is None:
        raise SettingsError("nothing says how many tokens the model holds: give --model a checkpoint folder")
    return GatewayModel(
        name=str(old.get("name", "qwen")),
        triton=str(old.get("triton", "127.0.0.1:8001")),
        route="llmapi",
        tokenizer=tokenizer.resolve(),
        max_model_len=length,
        eos_token_ids=tuple(old.get("eos_token_ids", facts.end_ids)),
        vocab_size=int(old.get("vocab_size", checkpoint.vocab if checkpoint is not None else facts.size)),
        direct=ENGINE_MODEL,
    )


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


def _fraction(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_KINDS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "bool": _boolean,
        "int": int,
        "float": _fraction,
        "ints": lambda text: [int(each) for each in text.split(",")],
        "upper": str.upper,
    }
)
