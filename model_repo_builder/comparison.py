"""Two sets of model configurations, compared field by field: what a repository has that the templates have not.

Knows the fields of ModelConfig that make a model's interface. A value that is a placeholder on the other side, or that
Triton fills in by itself, is no difference: only that it is there counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonclient.grpc import model_config_pb2

from model_repo_builder import config_text
from model_repo_builder.config_text import Config
from model_repo_builder.errors import RepositoryError

# Where the engine models lie in a checkout, by the age of the checkout.
_PLACES = (
    "all_models/inflight_batcher_llm",
    "triton_backend/all_models/inflight_batcher_llm",
    "tensorrt_llm/triton_backend/all_models/inflight_batcher_llm",
    "inflight_batcher_llm",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """``here`` is the repository's side and ``there`` the official one; None where that side has nothing."""

    model: str
    field: str
    here: str | None
    there: str | None


def read_folder(folder: Path) -> Mapping[str, Config]:
    """The models of a repository, or of the official models inside a checkout."""
    if not folder.is_dir():
        raise RepositoryError(f"{folder} does not exist: give a model repository, or a checkout of the templates")
    for place in (folder, *(folder / place for place in _PLACES)):
        models = {
            entry.name: config_text.read(entry)
            for entry in (sorted(place.iterdir()) if place.is_dir() else ())
            if (entry / config_text.FILE).is_file()
        }
        if models:
            return _readable(models)
    raise RepositoryError(
        f"{folder} holds no models: give the folder with preprocessing, tensorrt_llm and the others, or a checkout "
        "that has them in all_models/inflight_batcher_llm"
    )


def compare(here: Mapping[str, Config], there: Mapping[str, Config]) -> tuple[Difference, ...]:
    differences = []
    for model in dict.fromkeys((*there, *here)):
        one, other = here.get(model), there.get(model)
        if one is None or other is None:
            differences.append(Difference(model, "model", _there(one), _there(other)))
        else:
            differences += _compare(model, one, other)
    return tuple(differences)


def _readable(models: Mapping[str, Config]) -> Mapping[str, Config]:
    for config in models.values():
        if config.error is not None:
            raise RepositoryError(
                f"{config.path} cannot be read: {config.error}; `model-repo-builder doctor` says more about it"
            )
    return models


def _compare(model: str, one: Config, other: Config) -> Iterator[Difference]:
    mine, theirs = _facts(one), _facts(other)
    for field in dict.fromkeys((*theirs, *mine)):
        here, there = mine.get(field), theirs.get(field)
        if (here != there and not (_open(here) or _open(there))) or (here is None) != (there is None):
            yield Difference(model, field, here, there)


def _facts(config: Config) -> dict[str, str]:
    """Every comparable field of a model by a readable name. A placeholder is ``${}``, and is like any value."""
    message = config.message
    unfilled = {each.field for each in config.placeholders if not each.quoted}
    facts = {
        "backend": message.backend or message.platform,
        "max_batch_size": str(message.max_batch_size),
        "decoupled": str(message.model_transaction_policy.decoupled).lower(),
    }
    for group in message.instance_group:
        facts["instance_group.kind"] = model_config_pb2.ModelInstanceGroup.Kind.Name(group.kind)
    if message.HasField("dynamic_batching"):
        facts["dynamic_batching"] = "on"
    for field in facts.keys() & unfilled:
        facts[field] = "${}"
    for side in ("input", "output"):
        for tensor in getattr(message, side):
            facts |= {f"{side} {tensor.name}{part}": value for part, value in _tensor(tensor, side).items()}
            if "data_type" in unfilled and tensor.data_type == 0:
                facts[f"{side} {tensor.name} type"] = "${}"
    facts |= {f"parameter {name}": value.string_value for name, value in sorted(message.parameters.items())}
    for step in config.steps:
        for kind, wires in (("reads", step.input_map), ("makes", step.output_map)):
            facts |= {f"step {step.model_name} {kind} {inner}": outer for inner, outer in sorted(wires.items())}
    return facts


def _tensor(tensor: Any, side: str) -> dict[str, str]:
    facts = {
        " type": model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_"),
        " dims": str(list(tensor.dims)),
        " reshape": str(list(tensor.reshape.shape)) if tensor.HasField("reshape") else "none",
    }
    if side == "input":
        facts[" optional"] = str(tensor.optional).lower()
        facts[" ragged"] = str(tensor.allow_ragged_batch).lower()
    return facts


def _open(value: str | None) -> bool:
    return value is not None and "${" in value


def _there(config: Config | None) -> str | None:
    return None if config is None else "there"
