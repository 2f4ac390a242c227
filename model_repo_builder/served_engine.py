"""What a repository says of the TensorRT-LLM engines in it that decides how it is started.

Reads config.pbtxt, the engine's config.json and llmapi's model.yaml. Must not know commands or processes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_repo_builder import config_text
from model_repo_builder.config_text import Config
from model_repo_builder.errors import ContractError, RepositoryError
from model_repo_builder.release import Release

_PARALLEL = re.compile(r"^(?:tensor|pipeline)_parallel_size\s*:\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedEngine:
    """One model of the repository that runs on GPUs. ``participants``: MPI ranks per instance of the model."""

    model: str
    llmapi: bool = False
    world_size: int = 1
    release: Release | None = None
    participants: tuple[tuple[int, ...], ...] = ()
    kv_cache_bounded: bool = False


def served_engines(repository: Path, world_size: int | None = None) -> tuple[ServedEngine, ...]:
    """In the order of their names; none in a repository of the CPU engine. A world size that is given is believed."""
    found = []
    for folder in sorted(path.parent for path in repository.glob(f"*/{config_text.FILE}")):
        config = config_text.read(folder)
        yaml = folder / "1" / "model.yaml"
        if config.backend == "tensorrtllm":
            found.append(_engine(folder, config, world_size))
        elif config.backend == "python" and yaml.is_file():
            size = world_size or _product(int(text) for text in _PARALLEL.findall(_text(yaml)))
            found.append(ServedEngine(model=folder.name, llmapi=True, world_size=size))
    return tuple(found)


def _engine(folder: Path, config: Config, world_size: int | None) -> ServedEngine:
    where = config.parameter("gpt_model_path")
    if where is None:
        raise RepositoryError(
            f"{folder / config_text.FILE} names no engine: set its parameter gpt_model_path to the engine's folder"
        )
    engine = Path(where)
    described = engine / "config.json"
    if world_size is not None and not described.is_file():
        size, release = world_size, None
    else:
        size, release = _described(described)
        ranks = len(list(engine.glob("rank*.engine")))
        if ranks != size:
            raise RepositoryError(
                f"{engine} has {ranks} rank*.engine files and its config.json speaks of {size}: build the engine again"
            )
        if world_size not in (None, size):
            raise RepositoryError(
                f"the engine in {engine} was built for {size} ranks, not {world_size}: leave --world-size out"
            )
    return ServedEngine(
        model=folder.name,
        world_size=size,
        release=release,
        participants=_groups(folder, config.parameter("participant_ids") or ""),
        kv_cache_bounded=config.parameter("max_tokens_in_paged_kv_cache") is not None,
    )


def _described(path: Path) -> tuple[int, Release | None]:
    try:
        facts: Any = json.loads(_text(path))
        size = int(facts["pretrained_config"]["mapping"]["world_size"])
    except (ValueError, KeyError, TypeError) as error:
        raise RepositoryError(
            f"{path} does not say the engine's world size: it is no engine's config.json, or damaged"
        ) from error
    try:
        return size, Release.parse(str(facts.get("version", "")))
    except ContractError:
        return size, None


def _groups(folder: Path, text: str) -> tuple[tuple[int, ...], ...]:
    try:
        return tuple(tuple(int(rank) for rank in group.split(",")) for group in text.split(";") if group)
    except ValueError:
        raise RepositoryError(
            f"participant_ids {text!r} in {folder / config_text.FILE} are no ranks: write them as 1,2 or 1,2;3,4"
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RepositoryError(
            f"{path} cannot be read ({error}): build the engine there, or correct gpt_model_path in config.pbtxt"
        ) from error


def _product(numbers: Any) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product
