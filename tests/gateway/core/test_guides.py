from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import RequestError
from gateway.core.types import Generate, Guide
from tests.gateway.core.generations import TOOLS, prepared, vocabulary
from tests.gateway.vocabulary import Vocabulary


def test_a_schema_nested_too_deep_is_refused_before_any_engine_sees_it() -> None:
    schema: dict[str, Any] = {}
    for _ in range(70):
        schema = {"properties": {"a": schema}}
    with pytest.raises(RequestError, match="deeper"):
        prepared(guided_json=schema)


GUIDES = ("json", "json_schema", "regex", "ebnf_grammar", "structural_tag")
SCHEMA = {"type": "object", "properties": {"名": {"type": "string"}}}


@pytest.mark.parametrize(
    ("fields", "guide"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Guide("json", "", "response_format")),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            Guide("json_schema", json.dumps(SCHEMA, ensure_ascii=False), "response_format"),
        ),
        (
            {"guided_json": json.dumps(SCHEMA)},
            Guide("json_schema", json.dumps(SCHEMA, ensure_ascii=False), "guided_json"),
        ),
        ({"guided_regex": "a+"}, Guide("regex", "a+", "guided_regex")),
        ({"guided_choice": ['a"b', "聪\n"]}, Guide("ebnf_grammar", 'root ::= "a\\"b" | "聪\\n"', "guided_choice")),
        (
            {"structured_outputs": {"grammar": "root ::= x"}},
            Guide("ebnf_grammar", "root ::= x", "structured_outputs.grammar"),
        ),
        ({"structured_outputs": {"json_object": True}}, Guide("json", "", "structured_outputs.json_object")),
    ],
    ids=["none", "object", "schema", "schema-as-text", "regex", "choice", "grammar", "object-of-vllm"],
)
def test_guides(fields: dict[str, Any], guide: Guide | None) -> None:
    assert prepared(guides=GUIDES, **fields).guide == guide


def structural(generate: Generate) -> Any:
    assert generate.guide is not None
    assert generate.guide.kind == "structural_tag"
    return json.loads(generate.guide.value)["format"]


def test_with_thinking_the_grammar_begins_after_it() -> None:
    thinker = Vocabulary(thinks=True)
    generate = prepared(tokenizer=thinker, guides=GUIDES, guided_regex="a+")
    thought, newlines, content = structural(generate)["elements"]
    assert (thought["begin"], thought["end"]) == ("<think>", "</think>")
    assert newlines["type"] == "regex"
    assert content == {"type": "regex", "pattern": "a+"}
    with pytest.raises(RequestError, match="enable_thinking"):
        prepared(tokenizer=thinker, guides=GUIDES[:-1], guided_regex="a+")


NAMED = {"type": "function", "function": {"name": "g"}}


@pytest.mark.parametrize(
    ("choice", "names", "only_one"),
    [("required", ["f", "g"], False), (NAMED, ["g"], True)],
    ids=["required", "named"],
)
def test_a_forced_call_is_a_grammar_where_the_engine_has_them(choice: Any, names: list[str], only_one: bool) -> None:
    format = structural(prepared(guides=GUIDES, tools=TOOLS, tool_choice=choice))
    begins = [f'<tool_call>\n{{"name": "{name}", "arguments": ' for name in names]
    assert [tag["begin"] for tag in format["tags"]] == begins
    assert (format["at_least_one"], format["stop_after_first"]) == (True, only_one)


@pytest.mark.parametrize(
    ("choice", "style", "thinks", "opening"),
    [
        ("required", "hermes", False, '<tool_call>\n{"name": "'),
        (NAMED, "hermes", False, '<tool_call>\n{"name": "g", "arguments":'),
        ("required", "xml", False, "<tool_call>\n<function="),
        (NAMED, "xml", False, "<tool_call>\n<function=g>\n"),
        (NAMED, "hermes", True, '<think>\n\n</think>\n\n<tool_call>\n{"name": "g", "arguments":'),
    ],
    ids=["required", "named", "xml", "xml-named", "thinking"],
)
def test_a_forced_call_is_begun_in_the_prompt_elsewhere(choice: Any, style: Any, thinks: bool, opening: str) -> None:
    generate = prepared(
        tokenizer=Vocabulary(call_style=style, thinks=thinks), tools=TOOLS, tool_choice=choice, context=500
    )
    assert generate.guide is None
    assert generate.prompt.text.endswith(f"<assistant>{opening}")
    assert list(generate.prompt.ids) == vocabulary.encode(generate.prompt.text)
    assert generate.reading.prefill == opening.removeprefix("<think>\n\n</think>\n\n")
    assert generate.reading.thinking == "off"
    assert generate.reading.named == (choice == NAMED)


def test_a_form_beside_tools_leaves_calls_possible() -> None:
    form, *calls = structural(prepared(guides=GUIDES, tools=TOOLS, guided_regex="a"))["elements"]
    assert form == {"type": "regex", "pattern": "a"}
    assert [(call["type"], '"name": ' in call["begin"]) for call in calls] == [("tag", True)] * 2
    with pytest.raises(RequestError, match=r"structural tags.*'tool_choice' to 'none'"):
        prepared(guides=GUIDES[:-1], tools=TOOLS, guided_regex="a")


def test_a_form_beside_calls_that_must_be_made_is_a_contradiction() -> None:
    with pytest.raises(RequestError, match="both say") as caught:
        prepared(guides=GUIDES, tools=TOOLS, tool_choice="required", guided_regex="a")
    assert caught.value.param == "guided_regex"
