"""What is examined: a repository on disk or the models of a running Triton, and the machine around it.

All reading of files and of the machine is here and in ``config_text``; the checks get values, and the few files
that a value names (a tokenizer, an engine).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model_repo_builder import config_text
from model_repo_builder.config_text import Config
from model_repo_builder.errors import RepositoryError
from model_repo_builder.gateway_toml import FILE_NAME

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENGINE, BLS, ENSEMBLE = "tensorrt_llm", "tensorrt_llm_bls", "ensemble"
PREPROCESSING, POSTPROCESSING = "preprocessing", "postprocessing"
SHARED_MEMORY = Path("/dev/shm")
# How the shared memory of Triton's Python models is called, unless a launcher gives its own prefix.
_REGIONS = "triton_python_backend_shm_region*"


@dataclass(frozen=True, slots=True)
class Machine:
    """``regions``: shared memory of Python models that lies there although no tritonserver runs."""

    shm_bytes: int | None = None
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """``folder`` is None for a running Triton: then files that a config names are those of the server's machine."""

    models: Mapping[str, Config]
    folder: Path | None = None
    strays: tuple[str, ...] = ()
    gateway: tuple[Mapping[str, Any], ...] = ()
    machine: Machine = field(default_factory=Machine)

    def model(self, name: str) -> Config | None:
        return self.models.get(name)

    @property
    def llmapi(self) -> bool:
        """The one model that takes text itself, instead of an engine with models around it."""
        engine = self.model(ENGINE)
        return engine is not None and any(tensor.name == "text_input" for tensor in engine.message.input)

    def local(self, path: str | None) -> Path | None:
        """A path that a config names, where it can be looked at from here."""
        return Path(path) if path is not None and self.folder is not None else None


def read_repository(folder: Path, machine: Machine | None = None) -> Subject:
    if not folder.is_dir():
        raise RepositoryError(f"repository {folder} does not exist: give the folder that holds the model folders")
    try:
        folders = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise RepositoryError(f"{folder} cannot be read: {error.strerror}") from error
    models = {entry.name: config_text.read(entry) for entry in folders if (entry / config_text.FILE).is_file()}
    if not models:
        raise RepositoryError(
            f"{folder} is no model repository: no folder in it has a {config_text.FILE}; give the folder that holds "
            "preprocessing, tensorrt_llm and the others"
        )
    strays = tuple(entry.name for entry in folders if entry.name not in models)
    return Subject(MappingProxyType(models), folder, strays, _gateway(folder / FILE_NAME), machine or read_machine())


def read_machine() -> Machine:
    try:
        stats = os.statvfs(SHARED_MEMORY)
    except OSError:
        return Machine()
    regions = () if _triton_runs() else tuple(sorted(path.name for path in SHARED_MEMORY.glob(_REGIONS)))
    return Machine(stats.f_blocks * stats.f_frsize, regions)


def _triton_runs() -> bool:
    for process in Path("/proc").glob("[0-9]*/comm"):
        try:
            if process.read_text("utf-8").startswith("tritonserver"):
                return True
        except (OSError, UnicodeDecodeError):
            continue  # it ended meanwhile
    return False


def _gateway(path: Path) -> tuple[Mapping[str, Any], ...]:
    if not path.is_file():
        return ()
    try:
        models = tomllib.loads(path.read_text("utf-8")).get("models", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RepositoryError(f"{path} cannot be read as TOML: {error}") from error
    return tuple(model for model in models if isinstance(model, dict)) if isinstance(models, list) else ()
