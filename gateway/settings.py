"""The gateway's settings: frozen, checked when made, read from a TOML file, the environment and the command line.

Later wins: defaults, file, environment (GATEWAY_HOST, …), command line. Nothing else in the gateway reads any of them.
Wrong settings are a SettingsError whose text says what to change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from gateway.core.embedding_route import EmbeddingRoute, sizes
from gateway.core.errors import SettingsError
from gateway.core.pooling import POOLINGS
from gateway.core.routes import ROUTES
from gateway.core.types import Adapter

_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """One served model: ``[[models]]`` of gateway.toml, as ``model-repo-builder repo`` writes it."""

    name: str  # what clients send as "model"
    tokenizer: str  # folder of a Hugging Face tokenizer, or a model id
    triton: str = "127.0.0.1:8001"  # host:port of gRPC
    route: str = "auto"
    max_model_len: int | None = None  # tokens of prompt and answer; None: from the tokenizer's folder
    eos_token_ids: tuple[int, ...] = ()  # the chat end first; empty: from the tokenizer's folder
    vocab_size: int | None = None
    direct: str = "tensorrt_llm"
    ensemble: str = "ensemble"
    bls: str = "tensorrt_llm_bls"
    tokens_per_block: int | None = None  # of the engine's KV cache: then usage tells cached tokens
    adapters: Mapping[str, int] = field(default_factory=dict)  # LoRA: what clients send as "model" → its task id

    def __post_init__(self) -> None:
        where = f"model '{self.name}'"
        if not self.name:
            raise SettingsError("A model needs a 'name' that is not empty.")
        if self.route not in ("auto", *ROUTES):
            raise SettingsError(f"{where}: route is {self.route!r}, but must be one of auto, {', '.join(ROUTES)}.")
        check_endpoint(self.triton, where)
        if self.max_model_len is not None and self.max_model_len < 2:
            raise SettingsError(f"{where}: max_model_len must be at least 2, not {self.max_model_len}.")
        if self.tokens_per_block is not None and self.tokens_per_block < 1:
            raise SettingsError(f"{where}: tokens_per_block must be at least 1, not {self.tokens_per_block}.")
        for adapter, task_id in self.adapters.items():
            if not adapter or type(task_id) is not int or not 0 < task_id < 2**64:
                raise SettingsError(f"{where}: adapters must be names with a LoRA task id above 0, as in pirate = 1.")
        if any(id < 0 for id in self.eos_token_ids):
            raise SettingsError(f"{where}: eos_token_ids must not be negative.")

    @property
    def loras(self) -> tuple[Adapter, ...]:
        return tuple(Adapter(name, task_id) for name, task_id in self.adapters.items())

    @property
    def triton_models(self) -> dict[str, str]:
        """The name of the Triton model for each route."""
        return {"direct": self.direct, "llmapi": self.direct, "ensemble": self.ensemble, "bls": self.bls}


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """One model for /v1/embeddings: ``[[embeddings]]`` of gateway.toml."""

    name: str  # what clients send as "model"
    triton_model: str
    triton: str = "127.0.0.1:8001"  # host:port of gRPC
    tokenizer: str | None = None  # folder with tokenizer.json: to count tokens, and for a model that takes token ids
    max_model_len: int | None = None  # tokens of one input; None: from the tokenizer's folder
    input: str | None = None  # tensor of the text or the token ids; None: the only one
    output: str | None = None  # tensor of the vectors; None: the only one of floats
    pooling: str = "none"  # none, last, mean or cls: what makes one vector of a vector for each token
    normalize: bool = True  # whether vectors are brought to length 1
    dimensions: str = "fixed"  # sizes clients may ask for: "fixed", "32-1024", or "256, 512"

    def __post_init__(self) -> None:
        where = f"embedding model '{self.name}'"
        if not self.name:
            raise SettingsError("An embedding model needs a 'name' that is not empty.")
        check_endpoint(self.triton, where)
        if self.pooling not in POOLINGS:
            raise SettingsError(f"{where}: pooling is {self.pooling!r}, but must be one of {', '.join(POOLINGS)}.")
        if self.max_model_len is not None and self.max_model_len < 1:
            raise SettingsError(f"{where}: max_model_len must be at least 1, not {self.max_model_len}.")
        try:
            sizes(self.dimensions)
        except ValueError as exc:
            raise SettingsError(f"{where}: dimensions {exc}.") from exc

    def route(self, max_model_len: int | None) -> EmbeddingRoute:
        """How its Triton model is asked. ``max_model_len`` is what was found where none was set."""
        pooling: Any = self.pooling
        return EmbeddingRoute(
            triton_model=self.triton_model,
            input=self.input,
            output=self.output,
            pooling=pooling,
            normalize=self.normalize,
            sizes=sizes(self.dimensions),
            max_model_len=max_model_len,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole gateway: ``[server]``, ``[[models]]`` and ``[[embeddings]]``."""

    models: tuple[ModelSettings, ...]
    embeddings: tuple[EmbeddingSettings, ...] = ()
    host: str = "127.0.0.1"
    port: int = 9000
    max_body_bytes: int = 16 * 1024 * 1024
    ping_seconds: int = 15  # between comments on a silent stream, so that proxies keep it open
    grace_seconds: float = 30.0  # for streams in flight at shutdown
    log_level: str = "info"
    strict: bool = False  # whether fields that nobody knows are refused
    reasoning_field: str = "reasoning_content"  # or "reasoning", or "both": where thinking is given out

    def __post_init__(self) -> None:
        if not self.models and not self.embeddings:
            raise SettingsError(
                "No model is configured. Give --config gateway.toml (model-repo-builder repo writes one), or --triton, "
                "--tokenizer and --model."
            )
        names = [name for model in self.models for name in (model.name, *model.adapters)]
        names += [model.name for model in self.embeddings]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise SettingsError(f"The model name '{doubled[0]}' is used twice; clients could not tell them apart.")
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must be between 0 and 65535, not {self.port}.")
        for name in ("max_body_bytes", "ping_seconds", "grace_seconds"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} must be more than 0.")
        if self.reasoning_field not in ("reasoning_content", "reasoning", "both"):
            raise SettingsError(
                f"reasoning_field is {self.reasoning_field!r}, but must be reasoning_content, reasoning or both."
            )
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"log_level is {self.log_level!r}, but must be debug, info, warning or error.")

    @property
    def reasoning_names(self) -> tuple[str, ...]:
        """Fields in which replies give out thinking."""
        return ("reasoning_content", "reasoning") if self.reasoning_field == "both" else (self.reasoning_field,)

    @classmethod
    def read(
        cls,
        document: Mapping[str, Any],
        environ: Mapping[str, str],
        flags: Mapping[str, Any],
        *,
        folder: Path,
    ) -> Settings:
        """From a parsed gateway.toml, the environment and flags. Relative tokenizer paths start at ``folder``."""
        unknown = sorted(set(document) - {"server", "models", "embeddings"})
        if unknown:
            raise SettingsError(
                f"gateway.toml has the unknown table '{unknown[0]}'; known are [server], [[models]] and [[embeddings]]."
            )
        models = tuple(
            ModelSettings(**_table(ModelSettings, table, "[[models]]", ("name", "tokenizer"), folder))
            for table in _tables(document, "models")
        )
        embeddings = tuple(
            EmbeddingSettings(**_table(EmbeddingSettings, table, "[[embeddings]]", ("name", "triton_model"), folder))
            for table in _tables(document, "embeddings")
        )
        server = _checked(cls, document.get("server", {}), "[server]", skip=("models", "embeddings"))
        for item in fields(cls):
            variable = f"GATEWAY_{item.name.upper()}"
            if item.name not in ("models", "embeddings") and variable in environ:
                server[item.name] = _parsed(environ[variable], item, variable)
        server.update({name: value for name, value in flags.items() if value is not None})
        return cls(models=models, embeddings=embeddings, **server)


def check_endpoint(endpoint: str, where: str) -> None:
    """SettingsError unless it is host:port."""
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None or not 0 < int(match[2]) <= 65535:
        raise SettingsError(
            f"{where}: triton is {endpoint!r}, but must be HOST:PORT of Triton's gRPC, such as 127.0.0.1:8001."
        )


def _tables(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"gateway.toml: write each model as a table headed [[{name}]], with two brackets.")
    return tables


def _table(cls: type, table: Mapping[str, Any], where: str, needed: tuple[str, ...], folder: Path) -> dict[str, Any]:
    values = _checked(cls, table, where)
    for name in needed:
        if name not in values:
            raise SettingsError(f"gateway.toml: a {where} table lacks '{name}'.")
    tokenizer = values.get("tokenizer")
    if tokenizer is not None and (folder / tokenizer).is_dir():
        values["tokenizer"] = str((folder / tokenizer).resolve())
    return values


def _checked(cls: type, table: Any, where: str, *, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """The table's values, of known names and right types."""
    if not isinstance(table, Mapping):
        raise SettingsError(f"gateway.toml: {where} must be a table.")
    known = {item.name: item for item in fields(cls) if item.name not in skip}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise SettingsError(f"gateway.toml: {where} has the unknown key '{name}'; known are {', '.join(known)}.")
        values[name] = _typed(value, known[name], f"gateway.toml: {where} {name}")
    return values


def _typed(value: Any, item: Field[Any], where: str) -> Any:
    kind = str(item.type)
    if kind.startswith("tuple[int"):
        if isinstance(value, list) and all(type(v) is int for v in value):
            return tuple(value)
        raise SettingsError(f"{where} must be a list of whole numbers.")
    if kind.startswith("Mapping") and isinstance(value, dict):
        return value
    if kind == "bool" and type(value) is bool:
        return value
    if kind.startswith("int") and type(value) is int:
        return value
    if kind == "float" and type(value) in (int, float):
        return float(value)
    if kind.startswith("str") and isinstance(value, str):
        return value
    expected = {"s": "text in quotes", "i": "a whole number", "f": "a number", "b": "true or false", "M": "a table"}[
        kind[0]
    ]
    raise SettingsError(f"{where} must be {expected}, not {value!r}.")


def _parsed(text: str, item: Field[Any], variable: str) -> Any:
    """An environment variable's text as the field's type."""
    assert item.default is not MISSING
    if item.type == "bool":
        if text.lower() in ("true", "1", "false", "0"):
            return text.lower() in ("true", "1")
        raise SettingsError(f"{variable} is {text!r}, but must be true or false.")
    try:
        return type(item.default)(text)
    except ValueError:
        raise SettingsError(f"{variable} is {text!r}, but must be {type(item.default).__name__}.") from None
