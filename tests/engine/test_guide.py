"""Guides before they are compiled: what is refused without trying."""

import json

import pytest

from model_repo_builder.triton_models.openvino.guide import DEEPEST, LARGEST, Guide, GuideError, checked

PROPERTIES = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(10_000)}}
TAG = {
    "type": "structural_tag",
    "format": {
        "type": "sequence",
        "elements": [
            {"type": "tag", "begin": "", "content": {"type": "any_text"}, "end": "</think>"},
            {"type": "json_schema", "json_schema": {"type": "string", "maxLength": 3}},
        ],
    },
}

REFUSED = [
    pytest.param("regex", "", "is empty: regex needs one", id="empty"),
    pytest.param("regex", "a\0b", "has a NUL character", id="NUL"),
    pytest.param("regex", "(" * 100_000, "has 100000 characters", id="long"),
    pytest.param("regex", "(" * 1000 + "a" + ")" * 1000, "is nested deeper than 64 levels", id="deep regex"),
    pytest.param("ebnf_grammar", 'root ::= "a" ' + "(" * 65, "is nested deeper", id="deep grammar"),
    pytest.param("json_schema", '{"items":' * 7000, "is nested deeper than 64 levels", id="deep schema"),
    pytest.param("json_schema", json.dumps(PROPERTIES), "characters: the most is 65536", id="10,000 properties"),
    pytest.param("json_schema", "{'a': 1}", "is no JSON: Expecting property name", id="no JSON"),
    pytest.param("json_schema", "[1]", "is no JSON object", id="no object"),
    pytest.param(
        "json_schema", '{"type": "array", "uniqueItems": true}', "has uniqueItems, which the CPU", id="keyword"
    ),
    pytest.param("structural_tag", "nope", "is no JSON", id="a tag that is no JSON"),
    pytest.param(
        "structural_tag",
        json.dumps({"format": {"type": "json_schema", "json_schema": {"not": {}}}}),
        "has not, which the CPU engine cannot hold",
        id="a schema in a tag",
    ),
]


@pytest.mark.parametrize(("type", "text", "words"), REFUSED)
def test_refused(type: str, text: str, words: str) -> None:
    with pytest.raises(GuideError, match=words):
        checked(type, text)


def test_the_limits_are_allowed() -> None:
    assert checked("regex", "a" * LARGEST).text == "a" * LARGEST
    deep = "(" * DEEPEST + "a" + ")" * DEEPEST
    assert checked("regex", deep) == Guide("regex", deep)


def test_json_has_no_text() -> None:
    assert checked("json", "whatever") == Guide("json", "")


def test_schemas_in_tags_are_made_to_hold() -> None:
    tag = json.loads(checked("structural_tag", json.dumps(TAG)).text)
    assert tag["format"]["elements"][0] == TAG["format"]["elements"][0]  # type: ignore[index]
    assert set(tag["format"]["elements"][1]["json_schema"]) == {"type", "pattern"}


def test_a_function_without_parameters() -> None:
    none = {"type": "qwen_xml_parameter", "json_schema": {"type": "object", "properties": {}}}
    tag = json.loads(checked("structural_tag", json.dumps({"type": "structural_tag", "format": none})).text)
    assert tag["format"] == {"type": "grammar", "grammar": 'root ::= ""'}
