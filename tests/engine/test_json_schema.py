"""JSON schemas → schemas that hold, or errors that name what would not."""

import re
from typing import Any

import pytest

from model_repo_builder.triton_models.openvino.json_schema import FARTHEST, SchemaError, held, plain_pattern

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}
    },
}

AS_IT_IS: list[Any] = [
    pytest.param(PERSON, id="object"),
    pytest.param(TREE, id="recursion"),
    pytest.param({}, id="anything"),
    pytest.param(True, id="true"),
    pytest.param({"type": ["string", "null"]}, id="several types"),
    pytest.param({"anyOf": [{"type": "string"}, {"const": 1}], "default": 1}, id="anyOf beside an annotation"),
    pytest.param({"type": "array", "items": {"enum": [1, 2]}, "minItems": 1, "maxItems": 3}, id="array"),
    pytest.param({"type": "string", "format": "date"}, id="format"),
    pytest.param({"properties": {"type": {"type": "string"}, "not": {"type": "null"}}}, id="keywords as names"),
    pytest.param({"enum": [{"not": 1}]}, id="keywords in values"),
    pytest.param({"type": "string", "x-order": 1}, id="an extension"),
]


@pytest.mark.parametrize("schema", AS_IT_IS)
def test_what_holds_stays(schema: Any) -> None:
    assert held(schema) == schema


IN_OTHER_WORDS = [
    pytest.param({"type": "string", "title": "T", "description": "D"}, {"type": "string"}, id="titles"),
    pytest.param({"type": "string", "enum": ["a", 1]}, {"type": "string", "enum": ["a"]}, id="values of another type"),
    pytest.param(
        {"type": "integer", "minimum": 3}, {"type": "integer", "minimum": 3, "maximum": 3 + FARTHEST}, id="minimum"
    ),
    pytest.param(
        {"type": "integer", "exclusiveMaximum": 3},
        {"type": "integer", "exclusiveMaximum": 3, "minimum": -FARTHEST},
        id="maximum",
    ),
]


@pytest.mark.parametrize(("schema", "words"), IN_OTHER_WORDS)
def test_what_is_said_in_other_words(schema: Any, words: Any) -> None:
    assert held(schema) == words


@pytest.mark.parametrize(
    ("lengths", "fits", "fits_not"),
    [
        pytest.param({"minLength": 2}, ["ab", "你好吗", "a b"], ["a", 'a"b', "a\nb", "a\\b"], id="least"),
        pytest.param({"maxLength": 2}, ["", "é😀"], ["abc", '"', "\x1f"], id="most"),
        pytest.param({"minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "abcd"], id="both"),
    ],
)
def test_lengths_become_patterns(lengths: dict[str, int], fits: list[str], fits_not: list[str]) -> None:
    schema = held({"type": "string", **lengths})
    assert set(schema) == {"type", "pattern"}
    assert all(re.search(schema["pattern"], text) for text in fits)
    assert not any(re.search(schema["pattern"], text) for text in fits_not)


PATTERNS = [
    pytest.param(r"^[A-Z]{2}-\d+$", "AB-12", "A-12", id="plain"),
    pytest.param(r"^.+$", "a你", 'a"', id="dot"),
    pytest.param(r"^[^,]+$", "ab c", "a\\b", id="all but"),
    pytest.param(r"^[^\d]+$", "ab", "a1", id="all but digits"),
    pytest.param(r"^a\sb\S\D\W$", "a bcd!", "a\nbcd!", id="classes"),
    pytest.param(r"^a\.\[b\]$", "a.[b]", "ab[b]", id="escapes"),
]


@pytest.mark.parametrize(("pattern", "fits", "fits_not"), PATTERNS)
def test_patterns_never_end_a_string(pattern: str, fits: str, fits_not: str) -> None:
    plain = plain_pattern(pattern)
    assert re.search(plain, fits)
    assert not re.search(plain, fits_not)


REFUSED = [
    pytest.param({"not": {}}, "has not, which the CPU engine cannot hold", id="not"),
    pytest.param({"type": "integer", "multipleOf": 2}, "has multipleOf, which", id="multipleOf"),
    pytest.param({"type": "object", "if": {}, "then": {}}, "has if, which", id="if"),
    pytest.param({"type": "object", "propertyNames": {}}, "has propertyNames, which", id="propertyNames"),
    pytest.param({"$ref": "#", "minimum": 1}, "has minimum beside \\$ref", id="$ref with more"),
    pytest.param({"anyOf": [{}], "required": ["a"]}, "has required beside anyOf", id="anyOf with more"),
    pytest.param({"allOf": [{"type": "string"}, {"type": "string"}]}, "several schemas in allOf", id="allOf"),
    pytest.param({"type": "string", "enum": [1]}, "has no value in enum that is of type 'string'", id="enum, no value"),
    pytest.param({"enum": ["a"], "minLength": 1}, "has minLength beside enum", id="enum with more"),
    pytest.param({"minimum": 3}, "has minimum without the type that it is for", id="no type"),
    pytest.param({"type": "object", "required": ["a"]}, "requires 'a' without describing it", id="required"),
    pytest.param({"type": "number", "maximum": 1}, "has maximum for a number", id="bounds of numbers"),
    pytest.param({"type": "integer", "minimum": 0.5}, "that is no whole number", id="bounds with fractions"),
    pytest.param(
        {"type": "string", "pattern": "a", "maxLength": 3}, "has maxLength beside pattern", id="pattern, length"
    ),
    pytest.param({"type": "string", "format": "date", "maxLength": 3}, "maxLength beside format", id="format, length"),
    pytest.param({"type": "string", "pattern": 'a"'}, 'has a pattern with ", which ends', id="a quote"),
    pytest.param({"type": "string", "pattern": "[a\\n]"}, r"pattern with \\n in", id="a line break"),
    pytest.param({"type": "string", "pattern": "[^é]"}, "say what may be", id="all but letters"),
    pytest.param({"type": "array", "items": 3}, "has '3' where a schema belongs", id="no schema"),
    pytest.param({"properties": {"a": {"items": {"contains": {}}}}}, "has contains, which", id="inside"),
]


@pytest.mark.parametrize(("schema", "words"), REFUSED)
def test_refused(schema: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        held(schema)


def test_depth_is_limited() -> None:
    schema: Any = {}
    for _ in range(100):
        schema = {"items": schema}
    with pytest.raises(SchemaError, match="nested deeper than 64"):
        held(schema)
