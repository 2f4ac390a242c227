"""Checks of the ensemble's wiring, and of models that call others by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_repo_builder.config_text import Config
from model_repo_builder.doctor.finding import Finding, error
from model_repo_builder.doctor.subject import BLS, Subject

_TENSOR_WHY = "Triton checks the wiring when it loads the ensemble, and refuses one with unknown or missing tensors"
_TENSOR_HOW = "take the ensemble and the model from the same release, or correct the map"


def steps(subject: Subject) -> Iterator[Finding]:
    for ensemble in subject.models.values():
        for step in ensemble.steps:
            model = subject.model(step.model_name)
            if model is None:
                yield error(
                    "wiring-model",
                    ensemble.name,
                    f"a step calls the model {step.model_name!r}, which is not in the repository",
                    "Triton cannot load an ensemble without all of its models",
                    f"add the model {step.model_name!r}, or correct model_name",
                )
            elif model.error is None:
                yield from _tensors(ensemble, step, model)


def sources(subject: Subject) -> Iterator[Finding]:
    """Every tensor that a step reads, or that the ensemble gives out, must come from somewhere, in one type."""
    for ensemble in subject.models.values():
        if not ensemble.steps:
            continue
        made: dict[str, tuple[str, int]] = {
            tensor.name: (f"input of {ensemble.name}", tensor.data_type) for tensor in ensemble.message.input
        }
        models = {name: config for name, config in subject.models.items() if config.error is None}
        for step in ensemble.steps:
            types = _types(models, step.model_name, "output")
            made |= {
                outer: (f"{inner} of {step.model_name}", types.get(inner, 0))
                for inner, outer in step.output_map.items()
            }
        used = [
            (f"{inner} of {step.model_name}", outer, _types(models, step.model_name, "input").get(inner, 0))
            for step in ensemble.steps
            for inner, outer in step.input_map.items()
        ]
        used += [(f"output of {ensemble.name}", tensor.name, tensor.data_type) for tensor in ensemble.message.output]
        for reader, name, kind in used:
            yield from _source(ensemble, reader, name, kind, made)


def callee(subject: Subject) -> Iterator[Finding]:
    bls = subject.model(BLS)
    if bls is None:
        return
    for parameter in ("tensorrt_llm_model_name", "tensorrt_llm_draft_model_name"):
        name = bls.parameter(parameter)
        if name is not None and name not in subject.models:
            yield error(
                "callee",
                BLS,
                f"{parameter} is {name!r}, and there is no such model",
                "the model loads, and then fails with every request",
                f"set {parameter} to one of {', '.join(sorted(subject.models))}",
            )


def _tensors(ensemble: Config, step: Any, model: Config) -> Iterator[Finding]:
    inputs = {tensor.name: tensor for tensor in model.message.input}
    outputs = {tensor.name for tensor in model.message.output}
    for name in sorted(set(step.input_map) - set(inputs)):
        yield _wiring(ensemble, f"input_map of step {model.name} names {name!r}, and {model.name} has no such input")
    for name in sorted(set(step.output_map) - outputs):
        yield _wiring(ensemble, f"output_map of step {model.name} names {name!r}, and {model.name} has no such output")
    for name, tensor in sorted(inputs.items()):
        if not tensor.optional and name not in step.input_map:
            yield _wiring(ensemble, f"step {model.name} leaves out the input {name!r}, which {model.name} requires")


def _source(
    ensemble: Config, reader: str, name: str, kind: int, made: Mapping[str, tuple[str, int]]
) -> Iterator[Finding]:
    if name not in made:
        yield _wiring(ensemble, f"{reader} is the tensor {name!r}, which no step makes and no input is")
        return
    maker, made_kind = made[name]
    if 0 not in (kind, made_kind) and kind != made_kind:
        yield _wiring(ensemble, f"the tensor {name!r} has one type as {maker}, and another as {reader}")


def _types(models: Mapping[str, Config], name: str, side: str) -> Mapping[str, int]:
    if name not in models:
        return {}
    return {tensor.name: tensor.data_type for tensor in getattr(models[name].message, side)}


def _wiring(ensemble: Config, what: str) -> Finding:
    return error("wiring", ensemble.name, what, _TENSOR_WHY, _TENSOR_HOW)


CHECKS = (steps, sources, callee)
