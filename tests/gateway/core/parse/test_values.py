import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.parse.values import LIMIT, STRING, Kinds, Value, parameter_kinds
from tests.support.splits import every_split

ROOT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "string": {"type": "string"},
        "integer": {"type": "integer"},
        "list": {"type": ["string", "null"]},
        "any-of": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "one-of": {"oneOf": [{"type": "array", "items": {}}, {"anyOf": [{"type": "object"}]}]},
        "any-of-open": {"anyOf": [{"type": "integer"}, {}]},
        "all-of": {"allOf": [{"minLength": 1}, {"$ref": "#/$defs/colour"}]},
        "ref": {"$ref": "#/$defs/node"},
        "ref-escaped": {"$ref": "#/$defs/a~1b~0c"},
        "ref-nowhere": {"$ref": "#/$defs/x/y"},
        "ref-elsewhere": {"$ref": "http://example.org/schema"},
        "ref-itself": {"$ref": "#/properties/ref-itself"},
        "enum": {"enum": ["a", 1, 2.5, None, True, {}, []]},
        "const": {"const": 3.0},
        "properties": {"properties": {"a": {}}},
        "items": {"items": {"type": "string"}},
        "nothing": {"description": "?"},
        "wrong": {"type": "text"},
        "wrong-list": {"type": [1, "number"]},
        "true": True,
        "wide": {"anyOf": [{"type": "string", "title": str(i)} for i in range(1000)]},
    },
    "$defs": {
        "colour": {"type": "string", "enum": ["red"]},
        "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}},
        "a/b~c": {"type": "boolean"},
    },
}

KINDS = [
    pytest.param("string", {"string"}, id="string"),
    pytest.param("integer", {"integer"}, id="integer"),
    pytest.param("list", {"string", "null"}, id="list"),
    pytest.param("any-of", {"integer", "null"}, id="any-of"),
    pytest.param("one-of", {"array", "object"}, id="one-of"),
    pytest.param("any-of-open", None, id="any-of-open"),
    pytest.param("all-of", {"string"}, id="all-of"),
    pytest.param("ref", {"object"}, id="ref-with-recursion"),
    pytest.param("ref-escaped", {"boolean"}, id="ref-escaped"),
    pytest.param("ref-nowhere", None, id="ref-nowhere"),
    pytest.param("ref-elsewhere", None, id="ref-elsewhere"),
    pytest.param("ref-itself", None, id="ref-itself"),
    pytest.param(
        "enum", {"string", "integer", "number", "null", "boolean", "object", "array"}, id="enum-of-every-type"
    ),
    pytest.param("const", {"integer"}, id="const"),
    pytest.param("properties", {"object"}, id="properties"),
    pytest.param("items", {"array"}, id="items"),
    pytest.param("nothing", None, id="nothing-said"),
    pytest.param("wrong", None, id="no-type"),
    pytest.param("wrong-list", {"number"}, id="half-a-list-of-types"),
    pytest.param("true", None, id="a-schema-that-is-true"),
    pytest.param("wide", None, id="too-wide"),
    pytest.param("unknown", {"string"}, id="unknown-parameter"),
]


@pytest.mark.parametrize(("name", "expected"), KINDS)
def test_kinds(name: str, expected: set[str] | None) -> None:
    assert parameter_kinds(ROOT, name) == expected


def test_kinds_where_the_tool_says_nothing() -> None:
    assert parameter_kinds(None, "a") is None
    assert parameter_kinds({}, "a") is None
    assert parameter_kinds({"properties": []}, "a") is None
    assert parameter_kinds({"properties": {}, "additionalProperties": {"type": "integer"}}, "a") == {"integer"}
    assert parameter_kinds({"properties": {}, "additionalProperties": True}, "a") == {"string"}


def test_schemas_that_grow_at_each_step_are_not_followed_for_ever() -> None:
    schema: Any = {}
    for _ in range(10_000):
        schema = {"anyOf": [schema, schema]}
    assert parameter_kinds({"properties": {"a": schema}}, "a") is None


def written(kinds: set[str] | None, pieces: list[str]) -> str:
    value = Value(None if kinds is None else frozenset(kinds))
    return "".join(map(value.push, pieces)) + value.end()


VALUES = [
    pytest.param({"string"}, 'a "b"\n\\ </é>', r'"a \"b\"\n\\ </é>"', id="string"),
    pytest.param({"string"}, "", '""', id="empty-string"),
    pytest.param({"string"}, "12", '"12"', id="string-of-digits"),
    pytest.param({"string"}, "null", '"null"', id="string-null"),
    pytest.param({"string", "null"}, "null", "null", id="null-or-string-null"),
    pytest.param({"string", "null"}, "nul", '"nul"', id="null-or-string-half"),
    pytest.param({"string", "null"}, "nullable", '"nullable"', id="null-or-string-string"),
    pytest.param({"string", "null"}, "", '""', id="null-or-string-empty"),
    pytest.param({"string", "null"}, "None", '"None"', id="null-or-string-python"),
    pytest.param({"integer"}, "12", "12", id="integer"),
    pytest.param({"integer"}, " -12\n", "-12", id="integer-whitespace"),
    pytest.param({"integer"}, "12.0", "12.0", id="integer-with-point"),
    pytest.param({"integer"}, "12.5", '"12.5"', id="no-integer"),
    pytest.param({"integer"}, "012", '"012"', id="no-json"),
    pytest.param({"integer"}, "9" * 5000, "9" * 5000, id="long-integer"),
    pytest.param({"integer"}, "", '""', id="no-value"),
    pytest.param({"number"}, "12", "12", id="number-integer"),
    pytest.param({"number"}, "1.50e3", "1.50e3", id="number-as-written"),
    pytest.param({"number"}, "NaN", '"NaN"', id="not-a-number"),
    pytest.param({"number"}, "true", '"true"', id="boolean-is-no-number"),
    pytest.param({"boolean"}, "true", "true", id="boolean"),
    pytest.param({"boolean"}, "True", "true", id="boolean-as-the-template-writes"),
    pytest.param({"boolean"}, "1", '"1"', id="number-is-no-boolean"),
    pytest.param({"null"}, "null", "null", id="null"),
    pytest.param({"null", "integer"}, "None", "null", id="null-as-the-template-writes"),
    pytest.param({"object"}, '{"a":  [1.0, "é"]}', '{"a":  [1.0, "é"]}', id="object-as-written"),
    pytest.param({"object"}, '\n{"a": 1}\n', '{"a": 1}', id="object-whitespace"),
    pytest.param({"object"}, '{"a": 1', '"{\\"a\\": 1"', id="object-broken"),
    pytest.param({"object"}, "[1]", '"[1]"', id="array-is-no-object"),
    pytest.param({"array"}, "[1]", "[1]", id="array"),
    pytest.param({"array"}, "[" * 10_000, f'"{"[" * 10_000}"', id="deep"),
    pytest.param({"string", "integer"}, "12", "12", id="string-or-integer-integer"),
    pytest.param({"string", "integer"}, '"12"', r'"\"12\""', id="string-or-integer-quotes"),
    pytest.param({"string", "integer"}, "a", '"a"', id="string-or-integer-string"),
    pytest.param({"string", "boolean"}, "True", '"True"', id="string-or-boolean-python"),
    pytest.param(None, '{"a": 1}', '{"a": 1}', id="unknown-object"),
    pytest.param(None, "12", "12", id="unknown-number"),
    pytest.param(None, '"12"', r'"\"12\""', id="unknown-quotes"),
    pytest.param(None, "a b", '"a b"', id="unknown-text"),
]


@pytest.mark.parametrize(("kinds", "text", "expected"), VALUES)
def test_values(kinds: set[str] | None, text: str, expected: str) -> None:
    for pieces in [[text], list(text)] if len(text) > 100 else every_split(text):
        assert written(kinds, pieces) == expected


def test_strings_stream() -> None:
    assert Value(STRING).push("n") == '"n'
    value = Value(frozenset({"string", "null"}))
    assert value.push("nu") == ""
    assert value.push("m") == '"num'
    assert value.push('"') == r"\""
    assert value.end() == '"'


def test_what_is_held_is_limited() -> None:
    fits, long = f"[{'1,' * (LIMIT // 2 - 2)}11]", f"[{'1,' * (LIMIT // 2)}1]"
    for text, expected in [(fits, fits), (long, f'"{long}"')]:
        for pieces in ([text], [text[i : i + 4097] for i in range(0, len(text), 4097)]):
            assert written({"array"}, pieces) == expected


@given(st.none() | st.sets(st.sampled_from(sorted(["string", "integer", "null", "object"]))), st.text(), st.data())
def test_any_value_is_json(kinds: set[str] | None, text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    known: Kinds | None = frozenset(kinds) if kinds else None
    found = written(None if known is None else set(known), [text[:cut], text[cut:]])
    value = json.loads(found)
    assert value == text or found == text.strip(" \t\r\n")
