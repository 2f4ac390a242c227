"""The gateway's settings: frozen, checked when made, read from a TOML file, the environment and the command line.

Later wins: defaults, file, environment, command line. Nothing else in the gateway reads any of them. Each table of
gateway.toml is a dataclass in a module of its own; its environment variables are GATEWAY_<TABLE>_<KEY>, and those of
[server] GATEWAY_<KEY>. Wrong settings are a SettingsError whose text says what to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.core.balance import Balance
from gateway.core.errors import SettingsError
from gateway.core.queue import QueueLimits
from gateway.settings.deadlines import Deadlines
from gateway.settings.edge import Edge
from gateway.settings.keys import KeySettings
from gateway.settings.models import EmbeddingSettings, ModelSettings
from gateway.settings.probes import Probes
from gateway.settings.server import ServerSettings
from gateway.settings.toml import checked, from_environment, tables
from gateway.settings.tracing import Tracing

# A table of gateway.toml → what it is read into. Its name is also the field of Settings.
PARTS: dict[str, type] = {
    "server": ServerSettings,
    "deadlines": Deadlines,
    "balance": Balance,
    "probes": Probes,
    "admission": QueueLimits,
    "edge": Edge,
    "keys": KeySettings,
    "tracing": Tracing,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole gateway."""

    models: tuple[ModelSettings, ...]
    embeddings: tuple[EmbeddingSettings, ...] = ()
    server: ServerSettings = field(default_factory=ServerSettings)
    deadlines: Deadlines = field(default_factory=Deadlines)
    balance: Balance = field(default_factory=Balance)
    probes: Probes = field(default_factory=Probes)
    admission: QueueLimits = field(default_factory=QueueLimits)
    edge: Edge = field(default_factory=Edge)
    keys: KeySettings = field(default_factory=KeySettings)
    tracing: Tracing = field(default_factory=Tracing)

    def __post_init__(self) -> None:
        if not self.models and not self.embeddings:
            raise SettingsError(
                "No model is configured. Give --config gateway.toml (model-repo-builder repo writes one), or --triton, "
                "--tokenizer and --model."
            )
        names = self.names
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise SettingsError(f"The model name '{doubled[0]}' is used twice; clients could not tell them apart.")

    @property
    def names(self) -> list[str]:
        """What clients may send as "model"."""
        names = [name for model in self.models for name in (model.name, *model.adapters)]
        return names + [model.name for model in self.embeddings]

    @classmethod
    def read(
        cls,
        document: Mapping[str, Any],
        environ: Mapping[str, str],
        flags: Mapping[str, Any],
        *,
        folder: Path,
    ) -> Settings:
        """From a parsed gateway.toml, the environment and flags of [server]. Relative paths start at ``folder``."""
        known = {*PARTS, "models", "embeddings"}
        unknown = sorted(set(document) - known)
        if unknown:
            names = ", ".join(f"[{name}]" for name in PARTS)
            raise SettingsError(
                f"gateway.toml has the unknown table '{unknown[0]}'; known are {names}, [[models]] and [[embeddings]]."
            )
        models = tuple(
            ModelSettings(**_model(ModelSettings, table, "[[models]]", ("name", "tokenizer"), folder))
            for table in tables(document, "models")
        )
        embeddings = tuple(
            EmbeddingSettings(**_model(EmbeddingSettings, table, "[[embeddings]]", ("name", "triton_model"), folder))
            for table in tables(document, "embeddings")
        )
        parts: dict[str, Any] = {}
        for name, part in PARTS.items():
            values = checked(part, document.get(name, {}), f"[{name}]")
            if name == "keys" and values.get("file"):
                values["file"] = str(folder / values["file"])
            values |= from_environment(part, "GATEWAY_" if name == "server" else f"GATEWAY_{name.upper()}_", environ)
            if name == "server":
                values |= {key: str(folder / values[key]) for key in ("tls_cert", "tls_key") if values.get(key)}
                values |= {flag: value for flag, value in flags.items() if value is not None}
            parts[name] = part(**values)
        return cls(models=models, embeddings=embeddings, **parts)


def _model(cls: type, table: Mapping[str, Any], where: str, needed: tuple[str, ...], folder: Path) -> dict[str, Any]:
    values = checked(cls, table, where)
    for name in needed:
        if name not in values:
            raise SettingsError(f"gateway.toml: a {where} table lacks '{name}'.")
    tokenizer = values.get("tokenizer")
    if tokenizer is not None and (folder / tokenizer).is_dir():
        values["tokenizer"] = str((folder / tokenizer).resolve())
    if "triton" in values:
        values["triton"] = tuple(_from_folder(each, folder) for each in values["triton"])
    if "triton_tls" in values:
        tls = values["triton_tls"]
        values["triton_tls"] = {
            name: str(folder / value) if name in ("ca", "cert", "key") and isinstance(value, str) else value
            for name, value in tls.items()
        }
    return values


def _from_folder(endpoint: str, folder: Path) -> str:
    scheme, _, path = endpoint.partition(":")
    return f"file:{folder / path}" if scheme == "file" and path else endpoint
