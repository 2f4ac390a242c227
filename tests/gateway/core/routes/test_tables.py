from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.routes import BLS, DIRECT, ENSEMBLE, Route
from gateway.core.tensors import ModelSignature
from gateway.core.types import Adapter, Generate, Guide
from tests.gateway.core.routes.signatures import ENGINE, FULL, FULL_TEXT, REQUEST, TEXT, generate, values, vocabulary
from tests.gateway.vocabulary import END, OTHER_END

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


HELLO = vocabulary.encode("hello")[0]


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
