from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.prompt import ignored_fields
from gateway.core.schema.chat import parse_chat
from gateway.core.types import ChatInput, Prompt
from tests.gateway.core.generations import TOOLS, completed, prepared, vocabulary
from tests.gateway.vocabulary import END, OTHER_END, Vocabulary


def test_the_template_s_prompt_as_text_and_ids() -> None:
    generate = prepared()
    assert generate.prompt.text == "<user>hello<assistant>"
    assert list(generate.prompt.ids) == vocabulary.encode(generate.prompt.text)
    assert generate.end_ids == (END, OTHER_END)


def test_roles_and_parts_reach_the_template() -> None:
    generate = prepared(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "hi"},
        ]
    )
    assert generate.prompt.text == "<system>be brief<assistant><user>hi<assistant>"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop_token_ids": [99_999]}, "stop_token_ids"),
        ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"logprobs": True, "top_logprobs": 2}, "top_logprobs"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_json": "{", "n": 1}, "guided_json"),
        ({"guided_json": {"a": {}}, "guided_regex": "a"}, "guided_regex"),
        ({"guided_json": "[]"}, "guided_json"),
    ],
    ids=[
        "end-id-past-the-vocabulary",
        "bias-past-the-vocabulary",
        "alternatives",
        "reserved-option",
        "effort-without-thinking",
        "no-guided-decoding",
        "no-choices",
        "broken-schema",
        "two-guides",
        "list-as-schema",
    ],
)
def test_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        prepared(**fields)
    assert caught.value.param == param


def test_tools_reach_template_and_reading() -> None:
    generate = prepared(tools=TOOLS)
    assert generate.prompt.text.startswith("<tool>f<tool>g")
    assert (generate.reading.calls, list(generate.reading.tools)) == ("hermes", ["f", "g"])
    none = prepared(tools=TOOLS, tool_choice="none")
    assert (none.reading.calls, none.prompt.text) == (None, "<user>hello<assistant>")


def test_tools_for_a_template_without_them_are_refused() -> None:
    with pytest.raises(RequestError, match="knows no tools") as caught:
        prepared(tokenizer=Vocabulary(call_style=None), tools=TOOLS)
    assert caught.value.param == "tools"


@pytest.mark.parametrize(("effort", "expected"), [("none", False), ("minimal", False), ("medium", True)])
def test_effort_turns_thinking_on_and_off_where_the_template_can(effort: str, expected: bool) -> None:
    thinker = Vocabulary(thinks=True, variables=["enable_thinking"])
    text = prepared(tokenizer=thinker, reasoning_effort=effort).prompt.text
    assert f"<enable_thinking={expected}>" in text
    with pytest.raises(RequestError, match="contradict"):
        prepared(tokenizer=thinker, reasoning_effort=effort, chat_template_kwargs={"enable_thinking": not expected})


def test_options_that_no_template_reads_are_told() -> None:
    request = parse_chat(
        json.dumps(
            {"model": "q", "messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"a": 1}, "b": 2}
        ).encode()
    )
    assert ignored_fields(request, vocabulary) == ("b", "chat_template_kwargs.a")


LONG = "a" * 1_000_000


def said(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "x"}, {"role": "assistant", **fields}, {"role": "user", "content": "y"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": LONG}]},
        {"messages": said(tool_calls=[{"function": {"name": "f", "arguments": f'{{"a": "{LONG}"}}'}}])},
        {"tools": [{"type": "function", "function": {"name": "f", "description": LONG}}]},
    ],
    ids=["content", "arguments", "tools"],
)
def test_text_far_too_long_is_refused_before_it_is_rendered(fields: dict[str, Any]) -> None:
    counted: list[int] = []

    class Counting(Vocabulary):
        def encode(self, text: str) -> list[int]:
            counted.append(len(text))
            return super().encode(text)

        def chat(self, chat: Any) -> Any:
            raise AssertionError("rendered")

    with pytest.raises(ContextLengthExceeded) as caught:
        prepared(tokenizer=Counting(), **fields)
    assert caught.value.param == "messages"
    assert sum(counted) <= 65 * 1024


@pytest.mark.parametrize("fields", [{"reasoning_content": LONG}, {"content": f"<think>{LONG}</think>x"}], ids=list)
def test_thinking_that_no_template_shows_does_not_count(fields: dict[str, Any]) -> None:
    tokenizer = Vocabulary(thinks=True, variables=["reasoning_content"])
    assert prepared(tokenizer=tokenizer, messages=said(**fields)).prompt.text.endswith("<user>y<assistant>")


def test_a_function_without_parameters_reaches_the_template_with_an_empty_schema() -> None:
    class Showing(Vocabulary):
        def chat(self, chat: ChatInput) -> Prompt:
            return Prompt(json.dumps(chat.tools), (1,))

    generate = prepared(tokenizer=Showing(), tools=[{"type": "function", "function": {"name": "f"}}])
    [tool] = json.loads(generate.prompt.text)
    assert tool["function"]["parameters"] == {"type": "object", "properties": {}}


def test_completions_take_prompts_as_they_are() -> None:
    first, second = completed(prompt=["hello", "聪"], max_tokens=5)
    assert [list(g.prompt.ids) for g in (first, second)] == [vocabulary.encode("hello"), vocabulary.encode("聪")]
    assert (first.choice, second.choice, first.sampling.seed != second.sampling.seed) == (0, 1, True)
    [ids] = completed(prompt=vocabulary.encode("hello world"))
    assert (ids.prompt.text, ids.max_tokens) == ("hello world", 16)
    assert len(completed(prompt=["a", "b"], n=3)) == 6


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": [99_999]}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a"] * 65, "n": 2}, "n"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "echo": True, "logprobs": 0}, "logprobs"),
        ({"prompt": "a", "logprobs": 2}, "logprobs"),
        ({"prompt": "a" * 101}, "prompt"),
        ({"prompt": "a", "max_tokens": 100}, "max_tokens"),
    ],
    ids=[
        "unknown-id",
        "empty",
        "no-ids",
        "too-many",
        "suffix",
        "echo-logprobs",
        "alternatives",
        "too-long",
        "asks-too-much",
    ],
)
def test_completions_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        completed(**fields)
    assert caught.value.param == param
