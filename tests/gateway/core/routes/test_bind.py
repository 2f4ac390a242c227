from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.errors import UnsupportedField, UpstreamError
from gateway.core.routes import BLS, DIRECT, ENSEMBLE, BindError, Route, bind, stop_tensors
from gateway.core.tensors import ModelSignature, TensorSpec
from gateway.core.types import Adapter, Generate, Guide, Prompt, Sampling
from tests.gateway.core.routes.signatures import (
    ENGINE,
    EXTRA,
    FULL,
    FULL_TEXT,
    LOGPROBS,
    REQUEST,
    TEXT,
    TEXT_AND_IDS,
    changed,
    extended,
    generate,
    spec,
    values,
    vocabulary,
    without,
)
from tests.gateway.vocabulary import END


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


def test_what_ends_a_running_request() -> None:
    assert stop_tensors(ENGINE) == ()
    engine = changed(ENGINE, inputs=(*ENGINE.inputs, spec("stop", "BOOL")))
    assert [(t.name, t.shape, t.numbers()) for t in stop_tensors(engine)] == [
        ("input_ids", (1, 1), (1,)),
        ("input_lengths", (1, 1), (1,)),
        ("request_output_len", (1, 1), (1,)),
        ("stop", (1, 1), (True,)),
    ]


@pytest.mark.parametrize(
    ("route", "signature", "passes"),
    [
        (DIRECT, ENGINE, True),
        (ENSEMBLE, TEXT, True),
        (BLS, TEXT, False),
        (BLS, changed(TEXT, parameters=(("passes_request_id", "${passes_request_id}"),)), False),
        (BLS, changed(TEXT, parameters=(("passes_request_id", "true"),)), True),
    ],
    ids=["direct", "ensemble", "bls", "bls-unfilled", "bls-of-the-builder"],
)
def test_whether_the_engine_can_be_told_to_stop_by_a_requests_id(
    route: Route, signature: ModelSignature, passes: bool
) -> None:
    assert bind(route, signature).passes_id == passes


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
