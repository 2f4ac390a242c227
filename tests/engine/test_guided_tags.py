"""Answers under structural tags, from the CPU engine itself: guides after thinking, and calls."""

import json
import re
from typing import Any

from tests.engine.guides import PERSON, is_person, tag
from tests.engine.speaker import PROMPTS, Speaker


def after_thinking(content: Any) -> str:
    """What comes once a prompt has opened the thinking."""
    thinking = {"type": "tag", "begin": "", "content": {"type": "any_text"}, "end": "</think>"}
    return tag({"type": "sequence", "elements": [thinking, content]})


CALL = {
    "type": "object",
    "properties": {"name": {"const": "add"}, "arguments": {"type": "object", "properties": {"a": {"enum": [1, 2]}}}},
    "required": ["name", "arguments"],
    "additionalProperties": False,
}
CALL["properties"]["arguments"] |= {"required": ["a"], "additionalProperties": False}  # type: ignore[index]


def one_call() -> Any:
    content = {"type": "json_schema", "json_schema": CALL}
    return {"type": "tag", "begin": "<tool_call>\n", "content": content, "end": "\n</tool_call>"}


def test_a_guide_after_thinking(tiny: Speaker) -> None:
    thinking = {"type": "tag", "begin": "", "content": {"type": "regex", "pattern": "[a-z ]{1,9}"}, "end": "</think>"}
    answer = {"type": "json_schema", "json_schema": PERSON}
    for text in tiny.say_often("structural_tag", tag({"type": "sequence", "elements": [thinking, answer]})):
        thoughts, end, rest = text.partition("</think>")
        assert re.fullmatch("[a-z ]{1,9}", thoughts)
        assert end
        assert is_person(json.loads(rest))


def test_any_text_before_the_guide(tiny: Speaker) -> None:
    """At this temperature all tokens are equal, so that even noise hits upon </think>."""
    guide = after_thinking({"type": "regex", "pattern": "(yes|no)"})
    finished = 0
    for seed, prompt in enumerate(PROMPTS):
        inbox = tiny.asking.ask("structural_tag", guide, prompt=prompt, seed=seed, temperature=100.0, max_tokens=1000)
        thoughts, end, rest = tiny.text_of(inbox).partition("</think>")
        finished += bool(end)
        assert rest in (("yes", "no") if end else ("",)), (thoughts, rest)
    assert finished


def test_calls_between_tags(tiny: Speaker) -> None:
    separated = {"type": "tags_with_separator", "tags": [one_call()], "separator": "\n", "at_least_one": True}
    for text in tiny.say_often("structural_tag", tag({**separated, "stop_after_first": True})):
        found = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", text, re.DOTALL)
        assert found, text
        assert json.loads(found[1]) in [{"name": "add", "arguments": {"a": number}} for number in (1, 2)]


def test_a_triggered_tag(tiny: Speaker) -> None:
    triggered = {"type": "triggered_tags", "triggers": ["<tool_call>"], "tags": [one_call()]}
    for text in tiny.say_often("structural_tag", tag({**triggered, "at_least_one": True, "stop_after_first": True})):
        assert json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))["name"] == "add"


def test_calls_in_xml(tiny: Speaker) -> None:
    """One function with a parameter, one without."""
    schemas = {"add": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, "stop": {}}
    tags = [
        {
            "type": "tag",
            "begin": f"<function={name}>\n",
            "content": {"type": "qwen_xml_parameter", "json_schema": schema},
            "end": "\n</function>",
        }
        for name, schema in schemas.items()
    ]
    format = {"type": "tags_with_separator", "tags": tags, "separator": "\n"}
    found = tiny.say_often(
        "structural_tag", tag({**format, "at_least_one": True, "stop_after_first": True}), max_tokens=80
    )
    parameter = r"\s*<parameter=a>\s*-?\d+\s*</parameter>\s*"
    for text in found:
        assert re.fullmatch(rf"<function=(add>\n{parameter}|stop>\n)\n</function>", text), text
