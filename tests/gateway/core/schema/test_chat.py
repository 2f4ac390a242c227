from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import RequestError, UnsupportedField
from gateway.core.schema.base import ignored
from gateway.core.schema.chat import parse_chat

HELLO = [{"role": "user", "content": "hi"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "q", "messages": HELLO, **fields}).encode()


REFUSED = [
    pytest.param(b"{", None, "not valid JSON", id="broken-json"),
    pytest.param(b"", None, "not valid JSON", id="empty-body"),
    pytest.param(b"\xff\xfe", None, "not valid JSON", id="invalid-utf-8"),
    pytest.param(b"[" * 100_000, None, "not valid JSON", id="deep-nesting"),
    pytest.param(b'"\xed\xa0\x80"', None, "not valid JSON", id="lone-surrogate"),
    pytest.param(b"[]", None, "must be a JSON object", id="a-list"),
    pytest.param(b"null", None, "must be a JSON object", id="null"),
    pytest.param(b'{"messages": []}', "model", "field required", id="no-model"),
    pytest.param(b'{"model": "q"}', "messages", "field required", id="no-messages"),
    pytest.param(body(messages=[]), "messages", "at least 1", id="empty-messages"),
    pytest.param(body(messages="hi"), "messages", "array", id="messages-as-text"),
    pytest.param(body(messages=["hi"]), "messages[0]", "object", id="message-as-text"),
    pytest.param(body(messages=[{"role": "robot", "content": "x"}]), "messages[0].role", "'user'", id="unknown-role"),
    pytest.param(body(messages=[{"role": "user"}]), "messages[0]", "needs 'content'", id="no-content"),
    pytest.param(body(messages=[{"role": "user", "content": None}]), "messages[0]", "needs", id="null-content"),
    pytest.param(body(messages=[{"role": "user", "content": 3}]), "messages[0].content", "string", id="number-content"),
    pytest.param(
        body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
        "messages[0].content[0]",
        "'image_url' are not supported",
        id="an-image",
    ),
    pytest.param(body(stream=1), "stream", "boolean", id="stream-as-number"),
    pytest.param(body(temperature="1"), "temperature", "number", id="number-in-a-string"),
    pytest.param(body(temperature=float("nan")), "temperature", "finite", id="nan"),
    pytest.param(body(top_p=float("inf")), "top_p", "finite", id="infinite"),
    pytest.param(body(temperature=2.1), "temperature", "less than or equal to 2", id="too-hot"),
    pytest.param(body(temperature=-0.1), "temperature", "greater than or equal to 0", id="too-cold"),
    pytest.param(body(top_p=1.1), "top_p", "less than or equal to 1", id="top-p"),
    pytest.param(body(presence_penalty=-2.1), "presence_penalty", "-2", id="presence"),
    pytest.param(body(max_tokens=0), "max_tokens", "greater than or equal to 1", id="no-tokens"),
    pytest.param(body(max_tokens=-5), "max_tokens", "greater than or equal to 1", id="negative-tokens"),
    pytest.param(body(max_tokens=1.5), "max_tokens", "integer", id="half-a-token"),
    pytest.param(body(max_tokens=True), "max_tokens", "integer", id="true-is-no-number"),
    pytest.param(body(max_completion_tokens=0), "max_completion_tokens", "1", id="no-completion-tokens"),
    pytest.param(body(seed=2**64), "seed", "less than", id="seed-too-large"),
    pytest.param(body(stop=""), "stop", "at least 1 character", id="empty-stop"),
    pytest.param(body(stop=["a", ""]), "stop[1]", "at least 1 character", id="empty-stop-in-a-list"),
    pytest.param(body(stop=3), "stop", "string", id="stop-as-number"),
    pytest.param(body(stop=["x"] * 65), "stop", "at most 64", id="too-many-stops"),
    pytest.param(body(stream_options={"include_usage": True}), "stream_options", "only", id="options-unstreamed"),
    pytest.param(
        body(stream=True, stream_options={"include_usage": "yes"}),
        "stream_options.include_usage",
        "boolean",
        id="options-type",
    ),
]


@pytest.mark.parametrize(("raw", "param", "message"), REFUSED)
def test_refused_with_the_field_named(raw: bytes, param: str | None, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        parse_chat(raw)
    assert (caught.value.status, caught.value.param) == (400, param)


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
NAMED = {"type": "function", "function": {"name": "g"}}
REFUSED_TOGETHER = [
    pytest.param(body(n=0), "n", "greater than or equal to 1", id="no-answers"),
    pytest.param(body(n=129), "n", "less than or equal to 128", id="too-many-answers"),
    pytest.param(body(top_logprobs=2), "top_logprobs", "'logprobs' is true", id="alternatives-alone"),
    pytest.param(body(logprobs=True, top_logprobs=21), "top_logprobs", "20", id="too-many-alternatives"),
    pytest.param(body(logit_bias={"a": 1}), "logit_bias", "token ids", id="bias-of-a-word"),
    pytest.param(body(logit_bias={"5": 101}), "logit_bias", "between -100 and 100", id="bias-too-large"),
    pytest.param(body(logit_bias={"5": "1"}), "logit_bias", "number", id="bias-in-a-string"),
    pytest.param(body(tool_choice="required"), "tool_choice", "'tools' are given", id="choice-without-tools"),
    pytest.param(body(tools=[TOOL], tool_choice=NAMED), "tool_choice", "not among", id="choice-of-another"),
    pytest.param(body(tools=[TOOL, TOOL]), "tools", "two functions", id="tools-twice"),
    pytest.param(body(tools=[{"type": "web"}]), "tools[0].type", "'function'", id="tool-of-another-type"),
    pytest.param(
        body(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name", "pattern", id="name"
    ),
    pytest.param(
        body(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]),
        "tools[0].function.parameters",
        "'object'",
        id="parameters-no-object",
    ),
    pytest.param(body(response_format={"type": "xml"}), "response_format.type", "'json_schema'", id="format-type"),
    pytest.param(
        body(response_format={"type": "json_schema"}), "response_format", "needs 'json_schema'", id="no-schema"
    ),
    pytest.param(body(reasoning_effort="huge"), "reasoning_effort", "'low'", id="effort"),
    pytest.param(
        body(messages=[{"role": "user", "content": "x", "tool_calls": [{"function": {"name": "f"}}]}]),
        "messages[0]",
        "cannot have 'tool_calls'",
        id="user-calls",
    ),
]


@pytest.mark.parametrize(("raw", "param", "message"), REFUSED_TOGETHER)
def test_refused_because_of_what_it_means(raw: bytes, param: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        parse_chat(raw)
    assert caught.value.param == param


UNSERVED = [
    ("functions", [{"name": "f"}]),
    ("audio", {"voice": "x"}),
    ("best_of", 2),
    ("priority", 1),
    ("best_of", 1.0),
]


@pytest.mark.parametrize(("field", "value"), UNSERVED, ids=[f"{row[0]}-{row[1]}" for row in UNSERVED])
def test_what_is_not_served_is_refused_and_never_dropped(field: str, value: object) -> None:
    with pytest.raises(UnsupportedField) as caught:
        parse_chat(body(**{field: value}))
    assert caught.value.param == field


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "logprobs": False, "tools": [], "tool_choice": "auto", "response_format": {"type": "text"}},
        {"n": None, "logit_bias": {}, "user": "u", "metadata": {"a": "b"}, "store": True, "something_new": [1]},
        {"temperature": 1, "top_p": 1, "max_tokens": None, "stream": None, "stop": None},
    ],
    ids=["harmless-values", "unknown-fields", "whole-numbers-and-nulls"],
)
def test_accepted(fields: dict[str, Any]) -> None:
    assert parse_chat(body(**fields)).model == "q"


def test_a_message_keeps_what_the_client_sent_and_nothing_else() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "聪"}], "colour": "red"},
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "annotations": []},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "tool", "content": "5", "tool_call_id": "c"},
        {"role": "assistant"},
    ]
    assert [message.plain for message in parse_chat(body(messages=turns)).messages] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "聪"}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "annotations": []},
        {"role": "assistant", "content": [{"type": "text", "text": "no"}]},
        {"role": "tool", "content": "5", "tool_call_id": "c"},
        {"role": "assistant", "content": None},
    ]


def test_a_tool_keeps_its_keys_in_their_order() -> None:
    tool = {"type": "function", "function": {"parameters": {"type": "object", "b": 1, "a": 2}, "name": "f", "x": 1}}
    [parsed] = parse_chat(body(tools=[tool])).tools or []
    assert json.dumps(parsed.plain) == json.dumps(tool)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ()),
        ({"user": "u", "store": True}, ()),
        ({"foo": 1, "bar": None}, ("foo", "bar")),
        ({"stream": True, "stream_options": {"x": 1}}, ("stream_options.x",)),
        ({"messages": [{"role": "user", "content": "x", "mood": 1}] * 2}, ("messages[].mood",)),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache": 1}]}]},
            ("messages[].content[].cache",),
        ),
        ({f"f{i}": i for i in range(50)}, tuple(f"f{i}" for i in range(16))),
        ({"f" * 500: 1}, ("f" * 64,)),
    ],
    ids=["none", "known", "top", "nested", "in-a-list-once", "in-parts", "many", "long"],
)
def test_unknown_fields_are_told(fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert ignored(parse_chat(body(**fields))) == expected


@pytest.mark.parametrize(
    ("stop", "expected"), [(None, ()), ("a", ("a",)), (["a", "b", "a"], ("a", "b"))], ids=["none", "one", "list"]
)
def test_stop_strings(stop: object, expected: tuple[str, ...]) -> None:
    assert parse_chat(body(stop=stop)).stop_strings == expected
