from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import RequestError, UnsupportedField
from gateway.core.schema import parse_chat

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
        "messages[0].content[0].type",
        "'text'",
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
    pytest.param(body(seed=2**63), "seed", "less than", id="seed-too-large"),
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


UNSERVED = [
    ("n", 2),
    ("logprobs", True),
    ("top_logprobs", 3),
    ("logit_bias", {"5": 1}),
    ("tools", [{"type": "function", "function": {"name": "f"}}]),
    ("tool_choice", "required"),
    ("response_format", {"type": "json_object"}),
]


@pytest.mark.parametrize(("field", "value"), UNSERVED, ids=[row[0] for row in UNSERVED])
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


@pytest.mark.parametrize(
    ("content", "text"),
    [("hi", "hi"), ([{"type": "text", "text": "a"}, {"type": "text", "text": "聪"}], "a聪"), ("", ""), ([], "")],
    ids=["string", "parts", "empty", "no-parts"],
)
def test_content_as_one_text(content: object, text: str) -> None:
    request = parse_chat(body(messages=[{"role": "user", "content": content}]))
    assert request.messages[0].text == text


def test_an_assistant_turn_may_have_no_content() -> None:
    turns = [*HELLO, {"role": "assistant", "content": None}, {"role": "assistant"}, *HELLO]
    assert parse_chat(body(messages=turns)).messages[1].text == ""


@pytest.mark.parametrize(
    ("stop", "expected"), [(None, ()), ("a", ("a",)), (["a", "b", "a"], ("a", "b"))], ids=["none", "one", "list"]
)
def test_stop_strings(stop: object, expected: tuple[str, ...]) -> None:
    assert parse_chat(body(stop=stop)).stop_strings == expected
