"""A contract and the values of its settings → ``config.pbtxt``.

Knows Triton's ModelConfig message, and nothing of files. Values are set on the message and printed by
protobuf: there is no text template, so nothing can be left unfilled and no value needs escaping.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from model_repo_builder.contract import DynamicBatching, Model, Setting, Tensor, Value
from model_repo_builder.errors import ContractError

# None: the setting is not given, and what it would fill is left out.
SettingValues = Mapping[str, str | int | float | bool | None]


def model_config(model: Model, settings: SettingValues) -> Any:
    """The ModelConfig message of one model."""
    config = model_config_pb2.ModelConfig()
    config.name = model.name
    config.platform = model.platform
    config.backend = _text(_resolve(model.backend, settings)) or ""
    config.max_batch_size = _whole(model, "max_batch_size", model.max_batch_size, settings)
    for tensor in model.inputs:
        message = config.input.add()
        _fill(message, tensor, settings)
        message.optional = tensor.optional
        message.allow_ragged_batch = tensor.ragged
    for tensor in model.outputs:
        _fill(config.output.add(), tensor, settings)
    if model.decoupled is not None:
        config.model_transaction_policy.decoupled = bool(_resolve(model.decoupled, settings))
    if model.dynamic_batching is not None:
        _batch(config.dynamic_batching, model, model.dynamic_batching, settings)
    if model.instances is not None:
        group = config.instance_group.add()
        group.count = _whole(model, "instance_group.count", model.instances.count, settings)
        group.kind = model_config_pb2.ModelInstanceGroup.Kind.Value(model.instances.kind)
    for name, value in sorted(model.parameters.items()):
        text = _text(_resolve(value, settings))
        # A parameter that is not given is absent, not empty: an empty number is an error in some backends.
        if text is not None:
            config.parameters[name].string_value = text
    for step in model.steps:
        message = config.ensemble_scheduling.step.add()
        message.model_name = step.model
        message.model_version = -1
        for own, outer in step.inputs.items():
            message.input_map[own] = outer
        for own, outer in step.outputs.items():
            message.output_map[own] = outer
    return config


def pbtxt(model: Model, settings: SettingValues) -> str:
    """The same as text, as Triton reads it from ``config.pbtxt``."""
    return str(text_format.MessageToString(model_config(model, settings), as_utf8=True))


def _batch(message: Any, model: Model, batching: DynamicBatching, settings: SettingValues) -> None:
    message.SetInParent()  # empty it still means that requests are batched
    for size in batching.preferred_batch_size:
        message.preferred_batch_size.append(_whole(model, "preferred_batch_size", size, settings))
    if batching.max_queue_delay_microseconds is not None:
        message.max_queue_delay_microseconds = _whole(
            model, "max_queue_delay_microseconds", batching.max_queue_delay_microseconds, settings
        )
    if batching.max_queue_size is not None:
        message.default_queue_policy.max_queue_size = _whole(model, "max_queue_size", batching.max_queue_size, settings)


def _fill(message: Any, tensor: Tensor, settings: SettingValues) -> None:
    message.name = tensor.name
    message.data_type = model_config_pb2.DataType.Value(f"TYPE_{_type(tensor, settings)}")
    message.dims.extend(tensor.dims)
    if tensor.reshape is not None:
        message.reshape.SetInParent()  # an empty shape is a value of its own: the dimension is dropped
        message.reshape.shape.extend(tensor.reshape)


def _resolve(value: Value, settings: SettingValues) -> str | int | float | bool | None:
    if not isinstance(value, Setting):
        return value
    try:
        return settings[value.name]
    except KeyError:
        raise ContractError(f"the contract needs a setting {value.name!r} that this builder does not have") from None


def _type(tensor: Tensor, settings: SettingValues) -> str:
    """A type is written FP16 or TYPE_FP16."""
    resolved = _resolve(tensor.type, settings)
    kind = str(resolved).removeprefix("TYPE_")
    if f"TYPE_{kind}" not in model_config_pb2.DataType.keys():  # noqa: SIM118 - an enum of protobuf is no mapping
        raise ContractError(f"the type of tensor {tensor.name} must be one of Triton's, not {resolved!r}")
    return kind


def _text(value: str | int | float | bool | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _whole(model: Model, field: str, value: Value, settings: SettingValues) -> int:
    resolved = _resolve(value, settings)
    if isinstance(resolved, bool) or not isinstance(resolved, int):
        raise ContractError(f"{field} of model {model.name} must be a whole number, not {resolved!r}")
    return resolved
