from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import RequestError
from gateway.core.schema.embeddings import MOST_IDS, MOST_INPUTS, EmbeddingRequest, parse_embeddings


def parse(**fields: Any) -> EmbeddingRequest:
    return parse_embeddings(json.dumps({"model": "m", **fields}).encode())


FORMS = [
    pytest.param("hi", ("hi",), id="text"),
    pytest.param(["hi", "聪明"], ("hi", "聪明"), id="texts"),
    pytest.param([1, 0, 3], ((1, 0, 3),), id="ids"),
    pytest.param([[1, 2], [3]], ((1, 2), (3,)), id="lists-of-ids"),
    pytest.param(["a"] * MOST_INPUTS, ("a",) * MOST_INPUTS, id="as-many-as-may-be"),
    pytest.param(list(range(5000)), (tuple(range(5000)),), id="one-long-list-of-ids"),
]


@pytest.mark.parametrize(("given", "inputs"), FORMS)
def test_forms_of_input(given: Any, inputs: tuple[Any, ...]) -> None:
    assert parse(input=given).input == inputs


def test_the_other_fields() -> None:
    plain = parse(input="hi")
    assert (plain.encoding_format, plain.dimensions) == (None, None)
    full = parse(input="hi", encoding_format="base64", dimensions=64, user="u")
    assert (full.encoding_format, full.dimensions) == ("base64", 64)


REFUSED = [
    pytest.param({}, "input", "required", id="no-input"),
    pytest.param({"input": None}, "input", "must be a text", id="null"),
    pytest.param({"input": 5}, "input", "must be a text", id="number"),
    pytest.param({"input": {"a": 1}}, "input", "must be a text", id="object"),
    pytest.param({"input": ""}, "input", "input 0 is empty", id="empty-text"),
    pytest.param({"input": []}, "input", "the list is empty", id="empty-list"),
    pytest.param({"input": ["a", ""]}, "input", "input 1 is empty", id="empty-text-in-list"),
    pytest.param({"input": [[1], []]}, "input", "input 1 is empty", id="empty-ids-in-list"),
    pytest.param({"input": ["a", [1]]}, "input", "input 1 is no text", id="text-then-ids"),
    pytest.param({"input": [[1], "a"]}, "input", "input 1 is neither", id="ids-then-text"),
    pytest.param({"input": [1, "a"]}, "input", "no token id", id="id-then-text"),
    pytest.param({"input": [1, -1]}, "input", "no token id", id="negative-id"),
    pytest.param({"input": [1, 2.0]}, "input", "no token id", id="half-an-id"),
    pytest.param({"input": [[1, True]]}, "input", "no token id", id="truth-as-id"),
    pytest.param({"input": [2**31]}, "input", "no token id", id="id-too-large"),
    pytest.param({"input": [[[1]]]}, "input", "no token id", id="too-deep"),
    pytest.param({"input": [None]}, "input", "input 0 is neither", id="null-in-list"),
    pytest.param({"input": ["a"] * (MOST_INPUTS + 1)}, "input", "2049 inputs are more than", id="too-many"),
    pytest.param({"input": [1] * (MOST_IDS + 1)}, "input", "more than any model takes", id="millions-of-ids"),
    pytest.param({"input": "a", "encoding_format": "int8"}, "encoding_format", "float", id="format"),
    pytest.param({"input": "a", "dimensions": 0}, "dimensions", "greater than or equal to 1", id="no-dimensions"),
    pytest.param({"input": "a", "dimensions": "64"}, "dimensions", "integer", id="dimensions-as-text"),
    pytest.param({"input": "a", "model": None}, "model", "string", id="no-model"),
]


@pytest.mark.parametrize(("fields", "param", "message"), REFUSED)
def test_refusals_name_the_field(fields: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        parse(**fields)
    assert caught.value.param == param


def test_the_description_for_openapi() -> None:
    properties = EmbeddingRequest.model_json_schema()["properties"]
    assert len(properties["input"]["anyOf"]) == 4
