"""TensorRT-LLM's ``llmapi`` model: one Python model that takes text and loads a checkpoint by itself.

Knows its tensors and the shape of ``model.yaml``, from ``contracts/llmapi.json``. Its ``model.py`` comes with
TensorRT-LLM: it lies in the container, or in a checkout, and is copied from there, never written here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from model_repo_builder.contract import ENGINE_MODEL, Instances, Model, Tensor
from model_repo_builder.errors import RepositoryError

MODEL_YAML = "model.yaml"
#: Where the official files lie in NVIDIA's container.
IN_CONTAINER = Path("/app/all_models/llmapi")
_PLACES = ("", "llmapi", "all_models/llmapi", "triton_backend/all_models/llmapi")
Yaml = Mapping[str, Any]


@functools.cache
def data() -> Mapping[str, Any]:
    text = resources.files("model_repo_builder.contracts").joinpath("llmapi.json").read_text("utf-8")
    contract: Mapping[str, Any] = json.loads(text)
    return contract


def model(*, decoupled: bool) -> Model:
    """max_batch_size stays 0 as officially: a request has one prompt, and the engine forms the batches."""
    raw = data()["model"]
    return Model(
        name=raw["name"],
        backend=raw["backend"],
        max_batch_size=0,
        decoupled=decoupled,
        instances=Instances(**raw["instances"]),
        inputs=tuple(_tensor(tensor) for tensor in raw["inputs"]),
        outputs=tuple(_tensor(tensor) for tensor in raw["outputs"]),
    )


def model_yaml(values: Yaml, comments: Sequence[str] = ()) -> str:
    """Nested mappings as YAML. Scalars and lists are written as JSON, which is YAML too."""
    return "\n".join([*(f"# {comment}" for comment in comments), *_lines(values, ""), ""])


def official_files(folder: Path) -> Mapping[str, bytes]:
    """``model.py`` and the modules beside it, from a checkout or the container's folder."""
    for place in _PLACES:
        version = folder / place / ENGINE_MODEL / "1"
        if (version / "model.py").is_file():
            return {path.name: path.read_bytes() for path in sorted(version.glob("*.py"))}
    raise RepositoryError(
        f"{folder} has no llmapi model: give a checkout of TensorRT-LLM, or all_models/llmapi of its container"
    )


def _tensor(raw: Mapping[str, Any]) -> Tensor:
    return Tensor(raw["name"], raw["type"], tuple(raw["dims"]), optional=raw.get("optional", False))


def _lines(values: Yaml, indent: str) -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}")
    return lines
