import json
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.contract import Model, Setting, Value, extend, load, releases
from model_repo_builder.errors import ContractError
from model_repo_builder.triton_models.openvino.guide import TYPES

SHARED = Path(__file__).parents[3] / "shared" / "contracts"


def test_every_release_loads() -> None:
    assert "v0.10.0" in releases()
    for release in releases():
        assert [model.name for model in load(release).models] == [
            "preprocessing",
            "tensorrt_llm",
            "postprocessing",
            "ensemble",
            "tensorrt_llm_bls",
        ]


def test_unknown_release_names_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"no contract 'v9'.*0\.10.*1\.2"):
        load("v9")


@pytest.mark.parametrize(
    ("name", "contract", "inferred"),
    [
        ("0.10.0", "v0.10.0", False),
        ("v0.10.0", "v0.10.0", False),
        ("0.16", "v0.16.0", False),
        ("0.18.1", "v0.18.2", False),
        ("main_2025-05-13", "main_2025-05-13", True),
        ("0.21.0", "main_2025-05-13", True),
        ("1.1.0rc6", "v1.1.0rc6", True),
        ("1.0", "v1.1.0rc6", True),
        ("1.2.1", "v1.1.0rc6", True),
    ],
)
def test_releases_as_users_write_them(name: str, contract: str, inferred: bool) -> None:
    loaded = load(name)
    assert loaded.release == contract
    assert (loaded.inferred is not None) is inferred


def test_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(ContractError, match="openvino, trtllm"):
        extend(load("v0.10.0"), "cuda")


def test_bls_inputs_reach_the_engine_under_its_names() -> None:
    wiring = load("v0.10.0").engine_inputs("tensorrt_llm_bls")
    assert wiring["temperature"] == "temperature"
    assert wiring["top_k"] == "runtime_top_k"
    assert wiring["length_penalty"] == "len_penalty"
    assert wiring["stream"] == "streaming"
    made_elsewhere = {"text_input", "max_tokens", "stop_words", "bad_words", "end_id", "pad_id"}
    bias_and_draft = {"embedding_bias_words", "embedding_bias_weights", "num_draft_tokens", "use_draft_logits"}
    names = {tensor.name for tensor in load("v0.10.0").model("tensorrt_llm_bls").inputs}
    assert set(wiring) == names - made_elsewhere - bias_and_draft


@pytest.mark.parametrize("release", releases())
@pytest.mark.parametrize("engine", ["openvino", "trtllm"])
def test_our_additions_take_nothing_away(engine: str, release: str) -> None:
    plain = load(release)
    for before, after in zip(plain.models, extend(plain, engine).models, strict=True):
        kept = [tensor for tensor in after.inputs[: len(before.inputs)] if tensor not in before.inputs]
        chosen = release == "v1.1.0rc6" and before.name == "ensemble"  # its type must follow the engine's
        assert [tensor.name for tensor in kept] == (["prompt_embedding_table"] if chosen else [])
        assert [t.name for t in after.inputs][: len(before.inputs)] == [t.name for t in before.inputs]
        assert after.outputs[: len(before.outputs)] == before.outputs
        assert set(after.parameters) >= set(before.parameters)
        added = [tensor.name for tensor in after.outputs[len(before.outputs) :]]
        expected = ["output_ids", "sequence_length"] if before.name in ("ensemble", "tensorrt_llm_bls") else []
        assert added == expected


GUIDED = ("guided_decoding_guide_type", "guided_decoding_guide")
GUIDED_MODELS = ("tensorrt_llm", "ensemble", "tensorrt_llm_bls")


@pytest.mark.parametrize(("engine", "guided"), [("openvino", GUIDED_MODELS), ("trtllm", ())])
def test_only_the_cpu_engine_takes_guides(engine: str, guided: tuple[str, ...]) -> None:
    plain = load("v0.10.0")
    for before, after in zip(plain.models, extend(plain, engine).models, strict=True):
        added = tuple(tensor.name for tensor in after.inputs[len(before.inputs) :])
        assert added == (GUIDED if before.name in guided else ())
        assert ("guided_decoding_guide_types" in after.parameters) == (before.name in guided)


@pytest.mark.parametrize("release", releases())
def test_guides_are_declared_once(release: str) -> None:
    for model in extend(load(release), "openvino").models:
        names = [tensor.name for tensor in model.inputs]
        assert [name for name in names if name in GUIDED] == (list(GUIDED) if model.name in GUIDED_MODELS else [])


@pytest.mark.parametrize("release", releases())
def test_an_engine_that_could_take_guides_says_which(release: str) -> None:
    for model in extend(load(release), "trtllm").models:
        declares = GUIDED[0] in [tensor.name for tensor in model.inputs]
        assert ("guided_decoding_guide_types" in model.parameters) == declares


@pytest.mark.parametrize("release", releases())
def test_guides_reach_the_engine_by_both_text_routes(release: str) -> None:
    contract = extend(load(release), "openvino")
    (step,) = (step for step in contract.model("ensemble").steps if step.model == "tensorrt_llm")
    wiring = contract.engine_inputs("tensorrt_llm_bls")
    for name in GUIDED:
        assert step.inputs[name] == name
        assert wiring[name] == name


def test_the_guide_types_are_those_of_the_engine() -> None:
    for name in GUIDED_MODELS:
        types = extend(load("v0.10.0"), "openvino").model(name).parameters["guided_decoding_guide_types"]
        assert str(types).split(",") == list(TYPES)


def test_guided_inputs_are_declared_as_later_releases_do() -> None:
    source = SHARED / "triton_repo_v0.19.0.json"
    if not source.is_file():
        reason = f"the contract facts in {source.parent} are not on this machine"
        pytest.skip(reason)
    facts = json.loads(source.read_text("utf-8"))["models"]
    for model in extend(load("v0.10.0"), "openvino").models:
        later = [tensor for tensor in facts[model.name]["inputs"] if tensor["name"] in GUIDED]
        assert [
            (t.name, f"TYPE_{t.type}", list(t.dims), t.optional, t.ragged) for t in model.inputs if t.name in GUIDED
        ] == [(t["name"], t["data_type"], t["dims"], t["optional"], t["allow_ragged_batch"]) for t in later]


@pytest.mark.parametrize("release", releases())
def test_golden_facts(release: str) -> None:
    """The packaged data against the facts it was taken from."""
    source = SHARED / f"triton_repo_{release}.json"
    if not source.is_file():
        reason = f"the contract facts in {source.parent} are not on this machine"
        pytest.skip(reason)
    facts = json.loads(source.read_text("utf-8"))["models"]
    contract = load(release)
    assert [model.name for model in contract.models] == list(facts)
    for model in contract.models:
        assert _flat(model) == _expected(facts[model.name]), model.name


def _raw(value: Value | None) -> Any:
    return {"template": value.name} if isinstance(value, Setting) else value


def _flat(model: Model) -> dict[str, Any]:
    batching, instances = model.dynamic_batching, model.instances
    return {
        "platform": model.platform or None,
        "backend": _raw(model.backend) or None,
        "max_batch_size": _raw(model.max_batch_size),
        "decoupled": _raw(model.decoupled),
        "batching": batching
        and (
            [_raw(size) for size in batching.preferred_batch_size],
            _raw(batching.max_queue_delay_microseconds),
            _raw(batching.max_queue_size),
        ),
        "instances": instances and (_raw(instances.count), instances.kind),
        "inputs": [(t.name, _raw(t.type), t.dims, t.reshape, t.optional, t.ragged) for t in model.inputs],
        "outputs": [(t.name, _hashable(_raw(t.type)), t.dims, t.reshape) for t in model.outputs],
        "parameters": {name: _raw(value) for name, value in model.parameters.items()},
        "steps": [(step.model, dict(step.inputs), dict(step.outputs)) for step in model.steps],
    }


def _hashable(raw: Any) -> Any:
    return tuple(raw.items()) if isinstance(raw, dict) else raw


def _expected(facts: dict[str, Any]) -> dict[str, Any]:
    def value(raw: Any) -> Any:
        return raw["literal"] if isinstance(raw, dict) and "literal" in raw else raw

    def shape(raw: Any) -> Any:
        return None if raw is None else tuple(raw)

    def kind(raw: Any) -> Any:
        return raw if isinstance(raw, dict) else raw.removeprefix("TYPE_")

    batching = facts["dynamic_batching"]
    group = facts["instance_group"][0] if facts["instance_group"] else None
    return {
        "platform": facts["platform"],
        "backend": value(facts["backend"]),
        "max_batch_size": value(facts["max_batch_size"]),
        "decoupled": value(facts["decoupled"]),
        "batching": batching
        and (
            [value(size) for size in batching["preferred_batch_size"]],
            batching["max_queue_delay_microseconds"],
            batching["default_queue_policy_max_queue_size"],
        ),
        "instances": group and (value(group["count"]), group["kind"]),
        "inputs": [
            (
                t["name"],
                kind(t["data_type"]),
                tuple(t["dims"]),
                shape(t["reshape"]),
                t["optional"],
                t["allow_ragged_batch"],
            )
            for t in facts["inputs"]
        ],
        # An output that a release declares twice is declared once.
        "outputs": list(
            dict.fromkeys(
                (t["name"], _hashable(kind(t["data_type"])), tuple(t["dims"]), shape(t["reshape"]))
                for t in facts["outputs"]
            )
        ),
        "parameters": {name: value(raw) for name, raw in (facts["parameters"] or {}).items()},
        "steps": [(s["model_name"], s["input_map"], s["output_map"]) for s in facts["ensemble_scheduling"] or []],
    }
