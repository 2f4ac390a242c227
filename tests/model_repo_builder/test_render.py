"""What is rendered is parsed back and compared with the contract field by field, in both directions."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from model_repo_builder.checkpoint import read_model
from model_repo_builder.contract import Model, Setting, extend, load, releases
from model_repo_builder.errors import ContractError
from model_repo_builder.render import pbtxt
from model_repo_builder.repository import plan
from model_repo_builder.setting_values import setting_values
from tests.model_repo_builder.shapes import openvino_settings

MODELS = [model.name for model in load("v0.10.0").models]


@pytest.fixture
def values(tmp_path: Path) -> Any:
    settings = openvino_settings(tmp_path, gpu_device_ids="0,1;2,3", max_queue_delay_microseconds=7)
    return setting_values(settings, read_model(tmp_path / "model.gguf"), plan(settings).gateway)


@pytest.mark.parametrize("engine", ["openvino", "trtllm"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("release", releases())
def test_parsed_back_it_is_the_contract(values: Any, release: str, engine: str, name: str) -> None:
    model = extend(load(release), engine).model(name)
    config = text_format.Parse(pbtxt(model, values), model_config_pb2.ModelConfig())
    assert _read(config) == _declared(model, values)


@pytest.mark.parametrize("value", ["0,1;2,3", "a:b", 'with "quotes"', "back\\slash", "${x}", "中文"])
def test_no_value_needs_escaping(values: Any, value: str) -> None:
    model = extend(load("v0.10.0"), "trtllm").model("tensorrt_llm")
    text = pbtxt(model, {**values, "gpu_device_ids": value})
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert config.parameters["gpu_device_ids"].string_value == value


def test_a_setting_that_is_not_given_is_left_out(values: Any) -> None:
    model = extend(load("v0.10.0"), "trtllm").model("tensorrt_llm")
    config = text_format.Parse(pbtxt(model, {**values, "gpu_device_ids": None}), model_config_pb2.ModelConfig())
    assert "gpu_device_ids" not in config.parameters


def test_a_setting_that_does_not_exist_is_named(values: Any) -> None:
    model = load("v0.10.0").model("preprocessing")
    with pytest.raises(ContractError, match="tokenizer_dir"):
        pbtxt(model, {name: value for name, value in values.items() if name != "tokenizer_dir"})


def test_a_count_must_be_a_number(values: Any) -> None:
    model = load("v0.10.0").model("ensemble")
    with pytest.raises(ContractError, match="max_batch_size of model ensemble"):
        pbtxt(model, {**values, "triton_max_batch_size": "many"})


def _read(config: Any) -> dict[str, Any]:
    """Everything that is set in the message, so that nothing can be there that the contract does not have."""
    read: dict[str, Any] = {}
    for field, value in config.ListFields():
        match field.name:
            case "input" | "output":
                read[field.name] = [_tensor(tensor) for tensor in value]
            case "instance_group":
                kinds = model_config_pb2.ModelInstanceGroup.Kind
                read[field.name] = [(group.count, kinds.Name(group.kind)) for group in value]
            case "parameters":
                read[field.name] = {name: value[name].string_value for name in value}
            case "model_transaction_policy":
                read[field.name] = value.decoupled
            case "dynamic_batching":
                sizes, policy = list(value.preferred_batch_size), value.default_queue_policy
                read[field.name] = (sizes, value.max_queue_delay_microseconds, policy.max_queue_size)
            case "ensemble_scheduling":
                read[field.name] = [
                    (step.model_name, step.model_version, dict(step.input_map), dict(step.output_map))
                    for step in value.step
                ]
            case _:
                read[field.name] = value
    return read


def _tensor(tensor: Any) -> tuple[Any, ...]:
    reshape = tuple(tensor.reshape.shape) if tensor.HasField("reshape") else None
    optional, ragged = getattr(tensor, "optional", False), getattr(tensor, "allow_ragged_batch", False)
    kind = model_config_pb2.DataType.Name(tensor.data_type)
    return tensor.name, kind, tuple(tensor.dims), reshape, optional, ragged


def _declared(model: Model, values: Any) -> dict[str, Any]:
    def resolve(value: Any) -> Any:
        return values[value.name] if isinstance(value, Setting) else value

    def text(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    def tensors(given: Any) -> list[tuple[Any, ...]]:
        return [
            (t.name, f"TYPE_{resolve(t.type).removeprefix('TYPE_')}", t.dims, t.reshape, t.optional, t.ragged)
            for t in given
        ]

    declared: dict[str, Any] = {
        "name": model.name,
        "platform": model.platform,
        "backend": resolve(model.backend),
        "max_batch_size": resolve(model.max_batch_size),
        "input": tensors(model.inputs),
        "output": tensors(model.outputs),
    }
    if model.decoupled is not None:
        declared["model_transaction_policy"] = resolve(model.decoupled)
    if model.dynamic_batching:
        batching = model.dynamic_batching
        sizes = [resolve(size) for size in batching.preferred_batch_size]
        delay, queue = resolve(batching.max_queue_delay_microseconds), resolve(batching.max_queue_size)
        declared["dynamic_batching"] = (sizes, delay or 0, queue or 0)
    if model.instances:
        declared["instance_group"] = [(resolve(model.instances.count), model.instances.kind)]
    parameters = {name: resolve(value) for name, value in model.parameters.items()}
    declared["parameters"] = {name: text(value) for name, value in parameters.items() if value is not None}
    declared["ensemble_scheduling"] = [(s.model, -1, dict(s.inputs), dict(s.outputs)) for s in model.steps]
    return {name: value for name, value in declared.items() if value not in ("", [], {})}
