from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.core.errors import UpstreamError
from gateway.core.routes import BLS, DIRECT, ENSEMBLE, Route, bind
from gateway.core.tensors import ModelSignature, Response, Tensor
from gateway.core.types import Piece
from tests.gateway.core.routes.signatures import (
    ENGINE,
    FULL,
    REQUEST,
    TEXT,
    changed,
    extended,
    generate,
    spec,
    vocabulary,
)


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
