from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.errors import UnsupportedField, UpstreamError
from gateway.core.routes import BLS, DIRECT, ENSEMBLE, BindError, Route, bind, stop_tensors
from gateway.core.tensors import ModelSignature, Response, Tensor, TensorSpec
from gateway.core.types import Adapter, Generate, Guide, Piece, Prompt, Sampling
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


def changed(signature: ModelSignature, **fields: Any) -> ModelSignature:
    return replace(signature, **fields)


def without(signature: ModelSignature, *names: str) -> ModelSignature:
    return changed(signature, inputs=tuple(spec for spec in signature.inputs if spec.name not in names))


REQUEST = Generate("id", "model", Prompt("<user>hi", (5, 6, 7)), max_tokens=9, end_ids=(END, OTHER_END))


def generate(**sampling: object) -> Generate:
    return replace(REQUEST, sampling=Sampling(asked=frozenset(sampling), **sampling))  # type: ignore[arg-type]


def extended(signature: ModelSignature, *inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = ()) -> ModelSignature:
    return changed(signature, inputs=(*signature.inputs, *inputs), outputs=(*signature.outputs, *outputs))


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
    request = generate()
    assert bind(ENSEMBLE, TEXT_AND_IDS).wanted(request) == ("output_ids", "sequence_length", "text_output")
    assert not bind(ENSEMBLE, TEXT_AND_IDS).remarks
    assert bind(ENSEMBLE, TEXT).wanted(request) == ("text_output",)
    assert "as good as its postprocessing" in bind(ENSEMBLE, TEXT).remarks[0]


def response(outputs: Mapping[str, Tensor], final: bool) -> Response:
    return Response.of(outputs.values(), final)


def outputs(*ids: int, length: int | None = None) -> dict[str, Tensor]:
    tensors = {"output_ids": Tensor.of("output_ids", "INT32", (1, 1, len(ids)), ids)}
    if length is not None:
        tensors["sequence_length"] = Tensor.of("sequence_length", "INT32", (1, 1), [length])
    return tensors


def text(value: str) -> dict[str, Tensor]:
    return {"text_output": Tensor.of_bytes("text_output", (1, 1), [value.encode()])}


def test_ids_are_cut_to_their_length() -> None:
    decoder = bind(DIRECT, ENGINE).decoder(generate(), vocabulary)
    assert decoder.push(response(outputs(1, 2, 3, length=2), False)) == Piece(ids=(1, 2))
    assert decoder.push(response(outputs(length=0), True)) == Piece(ids=(), final=True)
    assert decoder.push(response({}, True)) == Piece(ids=(), final=True)


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
    assert decoder.push(response(outputs(5, 6, 7, 1, 2, length=5), True)).ids == expected


def test_cumulative_text_becomes_deltas_without_half_characters() -> None:
    bls = changed(TEXT, parameters=(("accumulate_tokens", "true"),))
    decoder = bind(BLS, bls).decoder(generate(), vocabulary)
    steps = ["a", "a\ufffd", "a聪", "a聪b\ufffd"]
    assert [decoder.push(response(text(step), False)).text for step in steps] == ["a", "", "聪", "b"]
    assert decoder.push(response(text("a聪b\ufffd"), True)) == Piece(text="\ufffd", final=True)


def test_text_deltas_pass() -> None:
    decoder = bind(ENSEMBLE, TEXT).decoder(generate(), vocabulary)
    assert decoder.push(response(text("聪"), False)) == Piece(text="聪")
    assert decoder.push(response({}, True)) == Piece(text="", final=True)


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
        bind(route, signature).decoder(generate(), vocabulary).push(response(bad, False))


def test_what_ends_a_running_request() -> None:
    assert stop_tensors(ENGINE) == ()
    engine = changed(ENGINE, inputs=(*ENGINE.inputs, spec("stop", "BOOL")))
    assert [(t.name, t.shape, t.numbers()) for t in stop_tensors(engine)] == [
        ("input_ids", (1, 1), (1,)),
        ("input_lengths", (1, 1), (1,)),
        ("request_output_len", (1, 1), (1,)),
        ("stop", (1, 1), (True,)),
    ]


HELLO = vocabulary.encode("hello")[0]
EXTRA = (
    spec("embedding_bias", "FP32", (-1,)),
    spec("bad_words_list", dims=(2, -1)),
    spec("return_log_probs", "BOOL"),
    spec("guided_decoding_guide_type", "BYTES"),
    spec("guided_decoding_guide", "BYTES"),
    spec("lora_task_id", "UINT64"),
    spec("min_p", "FP32"),
)
LOGPROBS = (spec("output_log_probs", "FP32", (-1, -1)),)
FULL = extended(ENGINE, *EXTRA, outputs=LOGPROBS)
FULL_TEXT = extended(
    TEXT_AND_IDS,
    spec("embedding_bias_words", "BYTES", (-1,)),
    spec("embedding_bias_weights", "FP32", (-1,)),
    spec("bad_words", "BYTES", (-1,)),
    *EXTRA[2:],
    outputs=LOGPROBS,
)


@pytest.mark.parametrize(
    ("route", "signature", "request_", "expected"),
    [
        (
            DIRECT,
            FULL,
            replace(generate(logit_bias=((2, -5.0), (1, 100.0))), vocab_size=4),
            {"embedding_bias": [0.0, 100.0, -5.0, 0.0]},
        ),
        (
            ENSEMBLE,
            FULL_TEXT,
            generate(logit_bias=((HELLO, -5.0),)),
            {"embedding_bias_words": [b"hello"], "embedding_bias_weights": [-5.0]},
        ),
        (DIRECT, FULL, generate(bad_words=("hello",)), {"bad_words_list": [HELLO, 48, HELLO, 1, 3, -1]}),
        (BLS, FULL_TEXT, generate(bad_words=("聪",)), {"bad_words": ["聪".encode()]}),
        (DIRECT, FULL, replace(REQUEST, logprobs=True), {"return_log_probs": [True]}),
        (
            DIRECT,
            FULL,
            replace(REQUEST, guide=Guide("regex", "a+", "guided_regex")),
            {"guided_decoding_guide_type": [b"regex"], "guided_decoding_guide": [b"a+"]},
        ),
        (
            ENSEMBLE,
            FULL_TEXT,
            replace(REQUEST, guide=Guide("json", "", "response_format")),
            {"guided_decoding_guide_type": [b"json"]},
        ),
        (DIRECT, FULL, replace(REQUEST, adapter=Adapter("pirate", 7)), {"lora_task_id": [7]}),
        (DIRECT, FULL, replace(REQUEST, end_ids=()), {"end_id": [-1]}),
        (DIRECT, FULL, generate(min_p=0.5), {"min_p": [0.5]}),
    ],
    ids=[
        "bias",
        "bias-text",
        "bad-words",
        "bad-words-text",
        "logprobs",
        "guide",
        "json",
        "lora",
        "ignore-eos",
        "min-p",
    ],
)
def test_the_other_fields(
    route: Route, signature: ModelSignature, request_: Generate, expected: dict[str, list[object]]
) -> None:
    sent = values(route, signature, request_)
    assert {name: sent[name] for name in expected} == expected
    plain = values(route, signature, REQUEST)
    assert not (set(sent) - set(expected)) - set(plain), "nothing else is added"


IGNORING = replace(REQUEST, end_ids=(), sampling=Sampling(asked=frozenset({"ignore_eos"})))


@pytest.mark.parametrize(
    ("route", "signature", "request_", "param"),
    [
        (DIRECT, ENGINE, generate(logit_bias=((1, 1.0),)), "logit_bias"),
        (DIRECT, FULL, generate(logit_bias=((1, 1.0),)), "logit_bias"),
        (ENSEMBLE, FULL_TEXT, generate(logit_bias=((END, 1.0),)), "logit_bias"),
        (DIRECT, ENGINE, generate(bad_words=("a",)), "bad_words"),
        (DIRECT, ENGINE, replace(REQUEST, logprobs=True), "logprobs"),
        (ENSEMBLE, extended(TEXT, *EXTRA, outputs=LOGPROBS), replace(REQUEST, logprobs=True), "logprobs"),
        (DIRECT, ENGINE, replace(REQUEST, adapter=Adapter("pirate", 7)), "model"),
        (DIRECT, without(ENGINE, "end_id"), IGNORING, "ignore_eos"),
        (ENSEMBLE, TEXT, replace(REQUEST, prompt=Prompt("x", (1,), exact=False)), "messages"),
    ],
    ids=[
        "bias",
        "no-size",
        "no-text",
        "bad-words",
        "logprobs",
        "text-logprobs",
        "lora",
        "ignore-eos",
        "control-in-text",
    ],
)
def test_what_the_model_cannot_do_is_refused_by_name(
    route: Route, signature: ModelSignature, request_: Generate, param: str
) -> None:
    with pytest.raises(UnsupportedField) as caught:
        values(route, signature, request_)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("parameters", "inputs", "guides"),
    [
        ((), (), set()),
        ((), EXTRA, {"json", "json_schema", "regex", "ebnf_grammar"}),
        ((("guided_decoding_backend", "xgrammar"),), EXTRA, {"json", "json_schema", "regex", "ebnf_grammar"}),
        ((("guided_decoding_backend", ""),), EXTRA, set()),
        ((("guided_decoding_backend", "${guided_decoding_backend}"),), EXTRA, set()),
        ((("guided_decoding_guide_types", "regex, structural_tag"),), EXTRA, {"regex", "structural_tag"}),
    ],
    ids=["no-input", "nobody-says", "backend", "backend-empty", "backend-unfilled", "the-model-says"],
)
def test_guide_types(parameters: tuple[tuple[str, str], ...], inputs: tuple[TensorSpec, ...], guides: set[str]) -> None:
    signature = changed(extended(ENGINE, *inputs), parameters=parameters)
    assert bind(DIRECT, signature).guides == guides


def logprobs(*values: float) -> dict[str, Tensor]:
    return {"output_log_probs": Tensor.of("output_log_probs", "FP32", (1, 1, len(values)), values)}


@pytest.mark.parametrize(
    "told",
    [[(-1.0, -2.0), (-1.0, -2.0, -3.0)], [(-1.0, -2.0), (-3.0,)]],
    ids=["cumulative", "new-ones-alone"],
)
def test_log_probabilities_of_the_new_ids(told: list[tuple[float, ...]]) -> None:
    decoder = bind(DIRECT, FULL).decoder(replace(REQUEST, logprobs=True), vocabulary)
    pieces = [
        decoder.push(response({**outputs(*ids), **logprobs(*values)}, False))
        for ids, values in zip([(1, 2), (3,)], told, strict=True)
    ]
    assert [piece.logprobs for piece in pieces] == [(-1.0, -2.0), (-3.0,)]
    assert decoder.push(response(outputs(), True)).logprobs == ()
    assert decoder.push(response(outputs(4), True)).logprobs is None


def test_log_probabilities_are_asked_for_only_when_asked() -> None:
    bound = bind(DIRECT, FULL)
    assert bound.wanted(REQUEST) == ("output_ids", "sequence_length")
    assert bound.wanted(replace(REQUEST, logprobs=True)) == ("output_ids", "sequence_length", "output_log_probs")
    decoder = bound.decoder(REQUEST, vocabulary)
    assert decoder.push(response({**outputs(1), **logprobs(0.0)}, False)) == Piece(ids=(1,))


def test_cached_tokens_where_engine_and_settings_tell() -> None:
    reuse = (spec("return_perf_metrics", "BOOL"),)
    signature = extended(ENGINE, *reuse, outputs=(spec("kv_cache_reused_blocks"),))
    bound = bind(DIRECT, signature, tokens_per_block=2)
    assert "kv_cache_reused_blocks" in bound.wanted(REQUEST)
    assert "return_perf_metrics" in {tensor.name for tensor in bound.encode(REQUEST, vocabulary)}
    blocks = {"kv_cache_reused_blocks": Tensor.of("kv_cache_reused_blocks", "INT32", (1, 1), [1])}
    assert bound.decoder(REQUEST, vocabulary).push(response({**outputs(1), **blocks}, False)).cached_tokens == 2
    assert "return_perf_metrics" not in {tensor.name for tensor in bind(DIRECT, signature).encode(REQUEST, vocabulary)}


def test_a_guide_that_does_not_compile_is_the_client_s_error() -> None:
    bound = bind(DIRECT, FULL)
    guided = replace(REQUEST, guide=Guide("regex", "([", "guided_regex"))
    error = UpstreamError("The engine failed the request: guided_decoding_guide Unclosed '['")
    blamed = bound.blamed(error, guided)
    assert (blamed.status, blamed.param, blamed.message) == (
        400,
        "guided_regex",
        "Invalid 'guided_regex': Unclosed '['.",
    )
    assert bound.blamed(error, REQUEST) is error
    assert bound.blamed(UpstreamError("out of memory"), guided) is not None
