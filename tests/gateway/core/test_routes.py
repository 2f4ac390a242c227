from __future__ import annotations

import pytest

from gateway.core.errors import UnsupportedField, UpstreamError
from gateway.core.routes import BLS, DIRECT, ENSEMBLE, BindError, Route, bind, stop_tensors
from gateway.core.tensors import ModelSignature, Tensor, TensorSpec
from gateway.core.types import Generate, Piece, Prompt, Sampling
from tests.gateway.vocabulary import END, OTHER_END, Vocabulary

vocabulary = Vocabulary()


def spec(name: str, datatype: str = "INT32", dims: tuple[int, ...] = (1,), *, optional: bool = True) -> TensorSpec:
    return TensorSpec(name, datatype, dims, optional)


SAMPLING = (
    spec("temperature", "FP32"),
    spec("random_seed", "UINT64"),
    spec("frequency_penalty", "FP32"),
    spec("presence_penalty", "FP32"),
    spec("repetition_penalty", "FP32"),
    spec("min_length"),
    spec("end_id"),
    spec("pad_id"),
)
ENGINE = ModelSignature(
    name="tensorrt_llm",
    inputs=(
        spec("input_ids", dims=(-1,), optional=False),
        spec("input_lengths", optional=False),
        spec("request_output_len", optional=False),
        spec("stop_words_list", dims=(2, -1)),
        spec("runtime_top_k"),
        spec("runtime_top_p", "FP32"),
        spec("streaming", "BOOL"),
        *SAMPLING,
    ),
    outputs=(spec("output_ids", dims=(-1, -1)), spec("sequence_length", dims=(-1,))),
    decoupled=True,
    max_batch_size=4,
    parameters=(("exclude_input_in_output", "true"),),
)
TEXT_INPUTS = (
    spec("text_input", "BYTES", (-1,), optional=False),
    spec("max_tokens", dims=(-1,), optional=False),
    spec("stop_words", "BYTES", (-1,)),
    spec("top_k"),
    spec("top_p", "FP32"),
    spec("stream", "BOOL"),
    *SAMPLING,
)
TEXT = ModelSignature("ensemble", TEXT_INPUTS, (spec("text_output", "BYTES", (-1,)),), decoupled=True, max_batch_size=4)
TEXT_AND_IDS = ModelSignature(
    "ensemble", TEXT_INPUTS, (*TEXT.outputs, *ENGINE.outputs), decoupled=True, max_batch_size=4
)


def changed(signature: ModelSignature, **fields: object) -> ModelSignature:
    values = {name: getattr(signature, name) for name in ModelSignature.__slots__}
    return ModelSignature(**{**values, **fields})


def without(signature: ModelSignature, *names: str) -> ModelSignature:
    return changed(signature, inputs=tuple(spec for spec in signature.inputs if spec.name not in names))


def generate(**sampling: object) -> Generate:
    return Generate(
        id="id",
        model="model",
        prompt=Prompt("<user>hi", (5, 6, 7)),
        max_tokens=9,
        end_ids=(END, OTHER_END),
        sampling=Sampling(asked=frozenset(sampling), **sampling),  # type: ignore[arg-type]
    )


def values(route: Route, signature: ModelSignature, request: Generate) -> dict[str, list[object]]:
    tensors = bind(route, signature).encode(request, vocabulary)
    return {t.name: list(t.strings() if t.datatype == "BYTES" else t.numbers()) for t in tensors}


GREEDY = {"top_k": [1]}
NEUTRAL = {"top_k": [0], "top_p": [1.0], "temperature": [1.0], "random_seed": [0]}
SAMPLED = [
    pytest.param({}, NEUTRAL, id="all-omitted-is-explicit"),
    pytest.param({"temperature": 0.5, "seed": 7}, {**NEUTRAL, "temperature": [0.5], "random_seed": [7]}, id="no-top-p"),
    pytest.param({"temperature": 0.0}, GREEDY, id="temperature-0"),
    pytest.param({"temperature": 1e-6}, GREEDY, id="temperature-near-0"),
    pytest.param({"top_p": 0.0}, GREEDY, id="top-p-0"),
    pytest.param({"top_k": 1}, GREEDY, id="top-k-1"),
    pytest.param({"top_p": 0.9999999}, NEUTRAL, id="top-p-just-under-1"),
    pytest.param({"top_k": 20, "top_p": 0.5}, {**NEUTRAL, "top_k": [20], "top_p": [0.5]}, id="top-k-and-top-p"),
    pytest.param({"seed": 2**64 - 1}, {**NEUTRAL, "random_seed": [2**64 - 1]}, id="largest-seed"),
    pytest.param(
        {"frequency_penalty": 0.5, "presence_penalty": -1.0, "repetition_penalty": 1.5, "min_tokens": 3},
        {
            **NEUTRAL,
            "frequency_penalty": [0.5],
            "presence_penalty": [-1.0],
            "repetition_penalty": [1.5],
            "min_length": [3],
        },
        id="penalties-and-minimum",
    ),
]


@pytest.mark.parametrize(("sampling", "expected"), SAMPLED)
def test_direct_sends_every_sampling_field(sampling: dict[str, object], expected: dict[str, list[object]]) -> None:
    renamed = {{"top_k": "runtime_top_k", "top_p": "runtime_top_p"}.get(k, k): v for k, v in expected.items()}
    assert values(DIRECT, ENGINE, generate(**sampling)) == {
        "input_ids": [5, 6, 7],
        "input_lengths": [3],
        "request_output_len": [9],
        "end_id": [END],
        "pad_id": [END],
        "stop_words_list": [OTHER_END, 1],
        "streaming": [True],
        **renamed,
    }


@pytest.mark.parametrize(("sampling", "expected"), SAMPLED)
@pytest.mark.parametrize("route", [ENSEMBLE, BLS], ids=lambda route: route.name)
def test_text_routes_send_every_sampling_field(
    route: Route, sampling: dict[str, object], expected: dict[str, list[object]]
) -> None:
    assert values(route, TEXT, generate(**sampling)) == {
        "text_input": [b"<user>hi"],
        "max_tokens": [9],
        "end_id": [END],
        "pad_id": [END],
        "stop_words": [b"<|endoftext|>"],
        "stream": [True],
        **expected,
    }


def test_shapes_are_the_declared_ones_with_a_batch_of_one() -> None:
    tensors = {t.name: t.shape for t in bind(DIRECT, ENGINE).encode(generate(), vocabulary)}
    assert tensors["input_ids"] == (1, 3)
    assert tensors["input_lengths"] == (1, 1)
    assert tensors["stop_words_list"] == (1, 2, 1)
    unbatched = bind(DIRECT, changed(ENGINE, max_batch_size=0)).encode(generate(), vocabulary)
    assert {t.name: t.shape for t in unbatched}["input_ids"] == (3,)


def test_newer_names_win() -> None:
    newer = changed(ENGINE, inputs=(*ENGINE.inputs, spec("seed", "UINT64"), spec("min_tokens")))
    sent = values(DIRECT, newer, generate(seed=5, min_tokens=2))
    assert (sent["seed"], sent["min_tokens"]) == ([5], [2])
    assert not {"random_seed", "min_length"} & set(sent)


LOST = [
    ("frequency_penalty", 0.5, "frequency_penalty"),
    ("min_tokens", 3, "min_length"),
    ("seed", 5, "random_seed"),
    ("temperature", 0.5, "temperature"),
    ("top_p", 0.5, "runtime_top_p"),
    ("top_k", 20, "runtime_top_k"),
]


@pytest.mark.parametrize(("field", "value", "tensor"), LOST, ids=[row[0] for row in LOST])
def test_a_field_without_an_input_is_refused_by_name(field: str, value: object, tensor: str) -> None:
    bound = bind(DIRECT, without(ENGINE, tensor))
    with pytest.raises(UnsupportedField, match=tensor) as caught:
        bound.encode(generate(**{field: value}), vocabulary)
    assert caught.value.param == field


def test_a_neutral_or_omitted_field_needs_no_input() -> None:
    bound = bind(DIRECT, without(ENGINE, *(row[2] for row in LOST)))
    assert bound.encode(generate(temperature=1.0, top_p=1.0, top_k=0, frequency_penalty=0.0), vocabulary)
    assert bound.encode(generate(), vocabulary)


@pytest.mark.parametrize(
    ("route", "signature", "message"),
    [
        (DIRECT, TEXT, "no input_ids"),
        (ENSEMBLE, ENGINE, "no text_input"),
        (DIRECT, changed(ENGINE, outputs=()), "no output_ids"),
        (DIRECT, changed(ENGINE, inputs=(*ENGINE.inputs, spec("image", optional=False))), "demands the input image"),
    ],
    ids=["text-model-as-direct", "engine-as-ensemble", "no-output", "unknown-required-input"],
)
def test_a_model_of_another_shape_is_refused(route: Route, signature: ModelSignature, message: str) -> None:
    with pytest.raises(BindError, match=message):
        bind(route, signature)


def test_ids_are_preferred_where_a_text_model_offers_them() -> None:
    assert bind(ENSEMBLE, TEXT_AND_IDS).wanted == ("output_ids", "sequence_length", "text_output")
    assert not bind(ENSEMBLE, TEXT_AND_IDS).remarks
    assert bind(ENSEMBLE, TEXT).wanted == ("text_output",)
    assert "as good as its postprocessing" in bind(ENSEMBLE, TEXT).remarks[0]


def outputs(*ids: int, length: int | None = None) -> dict[str, Tensor]:
    tensors = {"output_ids": Tensor.of("output_ids", "INT32", (1, 1, len(ids)), ids)}
    if length is not None:
        tensors["sequence_length"] = Tensor.of("sequence_length", "INT32", (1, 1), [length])
    return tensors


def text(value: str) -> dict[str, Tensor]:
    return {"text_output": Tensor.of_bytes("text_output", (1, 1), [value.encode()])}


def test_ids_are_cut_to_their_length() -> None:
    decoder = bind(DIRECT, ENGINE).decoder(generate(), vocabulary)
    assert decoder.push(outputs(1, 2, 3, length=2), False) == Piece(ids=(1, 2))
    assert decoder.push(outputs(length=0), True) == Piece(ids=(), final=True)
    assert decoder.push({}, True) == Piece(ids=(), final=True)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (changed(ENGINE, decoupled=False, parameters=()), (1, 2)),
        (changed(ENGINE, decoupled=False), (5, 6, 7, 1, 2)),
        (changed(ENGINE, parameters=()), (5, 6, 7, 1, 2)),
    ],
    ids=["echo-is-removed", "engine-says-it-does-not-echo", "streams-never-echo"],
)
def test_an_echoed_prompt(signature: ModelSignature, expected: tuple[int, ...]) -> None:
    decoder = bind(DIRECT, signature).decoder(generate(), vocabulary)
    assert decoder.push(outputs(5, 6, 7, 1, 2, length=5), True).ids == expected


def test_cumulative_text_becomes_deltas_without_half_characters() -> None:
    bls = changed(TEXT, parameters=(("accumulate_tokens", "true"),))
    decoder = bind(BLS, bls).decoder(generate(), vocabulary)
    steps = ["a", "a\ufffd", "a聪", "a聪b\ufffd"]
    assert [decoder.push(text(step), False).text for step in steps] == ["a", "", "聪", "b"]
    assert decoder.push(text("a聪b\ufffd"), True) == Piece(text="\ufffd", final=True)


def test_text_deltas_pass() -> None:
    decoder = bind(ENSEMBLE, TEXT).decoder(generate(), vocabulary)
    assert decoder.push(text("聪"), False) == Piece(text="聪")
    assert decoder.push({}, True) == Piece(text="", final=True)


@pytest.mark.parametrize(
    ("route", "signature", "bad"),
    [
        (DIRECT, ENGINE, {"output_ids": Tensor("output_ids", "INT32", (1, 1, 2), b"\0")}),
        (ENSEMBLE, TEXT, {"text_output": Tensor("text_output", "BYTES", (1,), b"\xff\0\0\0")}),
    ],
    ids=["ids", "text"],
)
def test_malformed_outputs_are_an_upstream_error(
    route: Route, signature: ModelSignature, bad: dict[str, Tensor]
) -> None:
    with pytest.raises(UpstreamError, match="malformed"):
        bind(route, signature).decoder(generate(), vocabulary).push(bad, False)


def test_what_ends_a_running_request() -> None:
    assert stop_tensors(ENGINE) == ()
    engine = changed(ENGINE, inputs=(*ENGINE.inputs, spec("stop", "BOOL")))
    assert [(t.name, t.shape, t.numbers()) for t in stop_tensors(engine)] == [
        ("input_ids", (1, 1), (1,)),
        ("input_lengths", (1, 1), (1,)),
        ("request_output_len", (1, 1), (1,)),
        ("stop", (1, 1), (True,)),
    ]
