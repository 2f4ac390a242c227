"""What a release of the Triton models declares, as values.

Knows how to read ``contracts/*.json``, which of them a release follows (``contracts/releases.json``) and our own
additions in ``contracts/extensions.json``. Must not know any release by name: another release is another file. Knows
nothing of protobuf (``render``) and nothing of the values of settings (``settings``): a value that a deployment chooses
is a ``Setting``, a name to be looked up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from types import MappingProxyType
from typing import Any

from model_repo_builder.errors import ContractError
from model_repo_builder.release import Release

ENGINE_MODEL = "tensorrt_llm"


@dataclass(frozen=True, slots=True)
class Setting:
    """A place that the deployment fills: the name of the setting that goes there."""

    name: str


Value = str | int | bool | Setting


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    type: str | Setting
    dims: tuple[int, ...]
    reshape: tuple[int, ...] | None = None
    optional: bool = False
    ragged: bool = False


@dataclass(frozen=True, slots=True)
class Instances:
    count: Value
    kind: str


@dataclass(frozen=True, slots=True)
class DynamicBatching:
    preferred_batch_size: tuple[Value, ...] = ()
    max_queue_delay_microseconds: Value | None = None
    max_queue_size: Value | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One model of an ensemble, and which ensemble tensors its own tensors are."""

    model: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    max_batch_size: Value
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    platform: str = ""
    backend: Value = ""
    decoupled: Value | None = None
    dynamic_batching: DynamicBatching | None = None
    instances: Instances | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    @property
    def settings(self) -> frozenset[str]:
        """The names of the settings that this model has a place for."""
        values: list[Value | None] = [self.max_batch_size, self.backend, self.decoupled, *self.parameters.values()]
        values += [tensor.type for tensor in (*self.inputs, *self.outputs)]
        if self.instances is not None:
            values.append(self.instances.count)
        if self.dynamic_batching is not None:
            batching = self.dynamic_batching
            values += [*batching.preferred_batch_size, batching.max_queue_delay_microseconds, batching.max_queue_size]
        return frozenset(value.name for value in values if isinstance(value, Setting))


@dataclass(frozen=True, slots=True)
class Contract:
    """``inferred`` says why the data may differ from the release, where it was not read from the release itself."""

    release: str
    models: tuple[Model, ...]
    inferred: str | None = None

    @property
    def settings(self) -> frozenset[str]:
        return frozenset().union(*(model.settings for model in self.models))

    def model(self, name: str) -> Model:
        for model in self.models:
            if model.name == name:
                return model
        raise ContractError(f"contract {self.release} has no model {name!r}")

    def engine_inputs(self, caller: str) -> dict[str, str]:
        """Which engine input each input of ``caller`` is, by name: as the ensemble wires it, else the same name."""
        engine = {tensor.name for tensor in self.model(ENGINE_MODEL).inputs}
        wiring = {
            outer: inner
            for step in self.model("ensemble").steps
            if step.model == ENGINE_MODEL
            for inner, outer in step.inputs.items()
        }
        names = [tensor.name for tensor in self.model(caller).inputs]
        return {
            name: wiring.get(name, name) for name in names if name in wiring or name in engine - set(wiring.values())
        }

    def engine_outputs(self, caller: str) -> tuple[str, ...]:
        """Which outputs of ``caller`` are the engine's own under the same name."""
        engine = {tensor.name for tensor in self.model(ENGINE_MODEL).outputs}
        return tuple(tensor.name for tensor in self.model(caller).outputs if tensor.name in engine)


def releases() -> tuple[str, ...]:
    """The contracts there is data for, oldest first."""
    return tuple(dict.fromkeys(row["contract"] for row in _read("releases.json").values()))


def resolve(name: str) -> tuple[str, str | None]:
    """The contract that a release follows, by its name or by the release's, and why that is inferred, where it is."""
    if name in releases():
        return name, None
    rows = _read("releases.json")
    try:
        row = rows[Release.parse(name).line]
    except (ContractError, KeyError):
        known = ", ".join((*rows, *(release for release in releases() if not release.startswith("v"))))
        raise ContractError(f"there is no contract {name!r}: choose one of {known}") from None
    return row["contract"], row.get("inferred")


def load(release: str) -> Contract:
    """The models as that release declares them, nothing of ours added."""
    contract, inferred = resolve(release)
    data = _read(f"{contract}.json")
    reasons = [reason for reason in (inferred, data.get("inferred")) if reason]
    return Contract(data["release"], tuple(_model(model) for model in data["models"]), "; ".join(reasons) or None)


def extend(contract: Contract, engine: str) -> Contract:
    """The contract with our additions: more outputs, parameters of our Python models, the engine behind it.

    Inputs that only this engine has go through the ensemble under their own names.
    """
    data = _read("extensions.json")
    if engine not in data["engines"]:
        raise ContractError(f"there is no engine {engine!r}: choose one of {', '.join(sorted(data['engines']))}")
    own = data["engines"][engine]
    models = []
    for model in contract.models:
        declared = {tensor.name for tensor in model.inputs}
        added = (_tensor(tensor) for tensor in own["inputs"].get(model.name, ()))
        inputs = tuple(tensor for tensor in added if tensor.name not in declared)
        outputs = tuple(_tensor(tensor) for tensor in data["outputs"].get(model.name, ()))
        parameters = {**data["parameters"].get(model.name, {}), **own["parameters"].get(model.name, {})}
        if data["guide_input"] in declared:
            parameters.update(own["guided_parameters"])
        steps = (_renamed(step, data["ensemble_tensors"]) for step in model.steps)
        changed = replace(
            model,
            inputs=_typed(model, contract.model(ENGINE_MODEL)) + inputs,
            outputs=model.outputs + outputs,
            steps=tuple(_fed(step, inputs) for step in steps),
            parameters=MappingProxyType({**model.parameters, **_values(parameters)}),
        )
        if model.name == ENGINE_MODEL:
            changed = replace(
                changed,
                backend=own["backend"],
                dynamic_batching=model.dynamic_batching if own["dynamic_batching"] else None,
            )
        models.append(changed)
    return replace(contract, models=tuple(models))


def _read(name: str) -> Any:
    return json.loads(resources.files("model_repo_builder.contracts").joinpath(name).read_text("utf-8"))


def _value(raw: Any) -> Value:
    if isinstance(raw, dict):
        return Setting(raw["setting"])
    if isinstance(raw, str | int):
        return raw
    raise ContractError(f"contract data holds {raw!r} where a value or a setting belongs")


def _values(raw: Mapping[str, Any]) -> Mapping[str, Value]:
    return MappingProxyType({name: _value(value) for name, value in raw.items()})


def _type(raw: Any) -> str | Setting:
    return Setting(raw["setting"]) if isinstance(raw, dict) else str(raw)


def _tensor(raw: Mapping[str, Any]) -> Tensor:
    reshape = raw.get("reshape")
    return Tensor(
        name=raw["name"],
        type=_type(raw["type"]),
        dims=tuple(raw["dims"]),
        reshape=None if reshape is None else tuple(reshape),
        optional=raw.get("optional", False),
        ragged=raw.get("ragged", False),
    )


def _model(raw: Mapping[str, Any]) -> Model:
    batching, instances = raw.get("dynamic_batching"), raw.get("instances")
    return Model(
        name=raw["name"],
        platform=raw.get("platform", ""),
        backend=_value(raw.get("backend", "")),
        max_batch_size=_value(raw["max_batch_size"]),
        decoupled=None if "decoupled" not in raw else _value(raw["decoupled"]),
        dynamic_batching=None if batching is None else _batching(batching),
        instances=None if instances is None else Instances(_value(instances["count"]), instances["kind"]),
        inputs=tuple(_tensor(tensor) for tensor in raw["inputs"]),
        outputs=tuple(_tensor(tensor) for tensor in raw["outputs"]),
        parameters=_values(raw.get("parameters", {})),
        steps=tuple(Step(step["model"], step["inputs"], step["outputs"]) for step in raw.get("steps", ())),
    )


def _batching(raw: Mapping[str, Any]) -> DynamicBatching:
    sizes = tuple(_value(size) for size in raw.get("preferred_batch_size", ()))
    limits = {name: _value(value) for name, value in raw.items() if name != "preferred_batch_size"}
    return DynamicBatching(sizes, **limits)


def _renamed(step: Step, names: Mapping[str, str]) -> Step:
    """An ensemble can only hand out a tensor under the name that the tensor has inside it."""
    return replace(
        step,
        inputs={own: names.get(outer, outer) for own, outer in step.inputs.items()},
        outputs={own: names.get(outer, outer) for own, outer in step.outputs.items()},
    )


def _typed(model: Model, engine: Model) -> tuple[Tensor, ...]:
    """The inputs of a model, those of an ensemble that lead to an engine's input of chosen type in that type.

    Releases that let the type of prompt embeddings be chosen still declare one in their ensemble, which Triton then
    refuses to load.
    """
    chosen = {tensor.name: tensor.type for tensor in engine.inputs if isinstance(tensor.type, Setting)}
    types = {
        outer: chosen[own]
        for step in model.steps
        if step.model == engine.name
        for own, outer in step.inputs.items()
        if own in chosen
    }
    return tuple(replace(tensor, type=types.get(tensor.name, tensor.type)) for tensor in model.inputs)


def _fed(step: Step, inputs: tuple[Tensor, ...]) -> Step:
    """The engine's step with these inputs of the ensemble as its own."""
    if step.model != ENGINE_MODEL:
        return step
    return replace(step, inputs={**step.inputs, **{tensor.name: tensor.name for tensor in inputs}})
