from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import RequestError, UnsupportedField
from gateway.core.schema.base import ignored
from gateway.core.schema.response_items import CallItem, CallOutputItem, MessageItem, ReasoningItem
from gateway.core.schema.responses import ResponsesRequest, parse_responses

USER = {"role": "user", "content": "hi"}
FUNCTION = {"type": "function", "name": "f"}


def parsed(**fields: Any) -> ResponsesRequest:
    return parse_responses(json.dumps({"model": "qwen", "input": "hi", **fields}).encode())


ITEMS = [
    pytest.param(USER, MessageItem, id="short-message"),
    pytest.param({"type": "message", "status": "completed", **USER}, MessageItem, id="typed-message"),
    pytest.param({"role": "user", "content": [{"type": "input_text", "text": ""}]}, MessageItem, id="parts"),
    pytest.param(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "phase": None,
            "content": [{"type": "output_text", "text": "yes", "annotations": [], "logprobs": []}],
        },
        MessageItem,
        id="an-answer-that-comes-back",
    ),
    pytest.param(
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, MessageItem, id="an-answer-refused"
    ),
    pytest.param({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, CallItem, id="call"),
    pytest.param({"type": "function_call_output", "call_id": "c", "output": "1"}, CallOutputItem, id="output"),
    pytest.param(
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "1"}]},
        CallOutputItem,
        id="output-in-parts",
    ),
    pytest.param({"type": "reasoning", "id": "rs_1", "summary": []}, ReasoningItem, id="reasoning"),
    pytest.param(
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": "x", "status": None},
        ReasoningItem,
        id="encrypted-reasoning",
    ),
]


@pytest.mark.parametrize(("item", "type"), ITEMS)
def test_items(item: dict[str, Any], type: type) -> None:
    request = parsed(input=[item])
    assert isinstance(request.input[0], type)
    assert ignored(request) == ()


REASONING = [
    pytest.param([("summary_text", "a"), ("summary_text", "b")], [], "a\nb", id="only-a-summary"),
    pytest.param([("summary_text", "a")], [("reasoning_text", "x"), ("reasoning_text", "y")], "xy", id="the-text"),
    pytest.param([], [], "", id="nothing"),
]


@pytest.mark.parametrize(("summary", "content", "text"), REASONING)
def test_the_text_of_thinking(summary: list[Any], content: list[Any], text: str) -> None:
    item: dict[str, Any] = {"type": "reasoning", "id": "rs_1"}
    item["summary"] = [{"type": type, "text": text} for type, text in summary]
    item["content"] = [{"type": type, "text": text} for type, text in content]
    (item_,) = parsed(input=[item]).input
    assert isinstance(item_, ReasoningItem)
    assert item_.text == text


ACCEPTED = {
    "nothing-asked-for": {
        "previous_response_id": None,
        "conversation": None,
        "background": False,
        "prompt": None,
        "truncation": "disabled",
        "context_management": [],
        "moderation": None,
    },
    "for-openai-only": {
        "store": True,
        "metadata": {"a": "b"},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "service_tier": "auto",
        "max_tool_calls": 3,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto", "generate_summary": None},
    },
    "a-stream": {"stream": True, "stream_options": {"include_obfuscation": True}},
    "extensions": {"top_k": 20, "min_p": 0.1, "seed": 1, "chat_template_kwargs": {"enable_thinking": False}},
    "a-word-for-a-choice": {"tools": [FUNCTION], "tool_choice": "required"},
    "a-function-for-a-choice": {"tools": [FUNCTION], "tool_choice": FUNCTION},
    "formats": {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}}},
    "whole-numbers": {"temperature": 1, "top_p": 1},
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(fields: dict[str, Any]) -> None:
    assert ignored(parsed(**fields)) == ()


def test_unknown_fields_are_ignored_and_told() -> None:
    item = {**USER, "colour": 1}
    names = ignored(parsed(input=[item, item], foo=1, text={"bar": 2}))
    assert sorted(names) == ["foo", "input[].colour", "text.bar"]


LOGPROBS = [
    pytest.param({}, False, id="not-asked"),
    pytest.param({"include": ["reasoning.encrypted_content"], "top_logprobs": 0}, False, id="others-included"),
    pytest.param({"include": ["message.output_text.logprobs"]}, True, id="included"),
    pytest.param({"top_logprobs": 2}, True, id="alternatives-asked"),
]


@pytest.mark.parametrize(("fields", "wanted"), LOGPROBS)
def test_log_probabilities(fields: dict[str, Any], wanted: bool) -> None:
    assert parsed(**fields).logprobs is wanted


# What is sent → the field that the error is about, and words that its text must have.
REFUSED = [
    pytest.param({"input": None}, "input", "valid string", id="no-input"),
    pytest.param({"input": []}, "input", "at least 1", id="empty-input"),
    pytest.param({"input": [5]}, "input[0]", "object", id="an-item-that-is-no-object"),
    pytest.param({"input": [USER, {"type": 5}]}, "input[1].type", "string", id="a-type-that-is-no-string"),
    pytest.param({"input": [{"role": "tool", "content": ""}]}, "input[0].role", "'assistant'", id="role"),
    pytest.param({"input": [{"role": "user"}]}, "input[0].content", "required", id="no-content"),
    pytest.param(
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input[0].content[0].type",
        "'input_image'",
        id="image",
    ),
    pytest.param(
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_file"}]}]},
        "input[0].content[1].type",
        "'input_file'",
        id="file",
    ),
    pytest.param(
        {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
        "input[0].content[0].text",
        "required",
        id="a-part-without-text",
    ),
    pytest.param(
        {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image"}]}]},
        "input[0].output[0].type",
        "'input_image'",
        id="image-of-a-tool",
    ),
    pytest.param({"input": [{"type": "function_call", "name": "f", "arguments": ""}]}, "input[0].call_id", "", id="id"),
    pytest.param(
        {"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type", "'item_reference'", id="reference"
    ),
    pytest.param({"input": [{"type": "web_search_call"}]}, "input[0].type", "'web_search_call'", id="hosted-call"),
    *(
        pytest.param({"tools": [FUNCTION, {"type": type}]}, "tools[1].type", f"'{type}'", id=type)
        for type in ("web_search", "file_search", "computer", "mcp", "code_interpreter", "image_generation", "custom")
    ),
    pytest.param({"tools": [{"type": "function"}]}, "tools[0].name", "required", id="tool-without-name"),
    pytest.param({"tools": [{"name": "f"}]}, "tools[0].type", "required", id="tool-without-type"),
    pytest.param({"tool_choice": "maybe"}, "tool_choice", "'auto'", id="choice"),
    pytest.param({"tool_choice": {"type": "mcp"}}, "tool_choice.type", "'mcp'", id="hosted-choice"),
    pytest.param(
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "name": "m"}]}},
        "tool_choice.tools[0].type",
        "'function'",
        id="hosted-tool-allowed",
    ),
    pytest.param({"text": {"format": {"type": "grammar"}}}, "text.format.type", "'json_schema'", id="format"),
    pytest.param({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format", "'schema'", id="schema"),
    pytest.param({"include": ["all"]}, "include", "'all'", id="include"),
    pytest.param({"metadata": {"a": 1}}, "metadata.a", "string", id="metadata"),
    pytest.param({"temperature": "1"}, "temperature", "number", id="number-in-a-string"),
    pytest.param({"max_output_tokens": 1.5}, "max_output_tokens", "integer", id="fraction-of-a-token"),
    pytest.param({"stream_options": {}}, "stream_options", "'stream'", id="options-without-a-stream"),
]


@pytest.mark.parametrize(("fields", "param", "text"), REFUSED)
def test_refused(fields: dict[str, Any], param: str, text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parsed(**fields)
    assert refused.value.param == param
    assert text in refused.value.message


UNSERVED = [
    ("previous_response_id", "resp_1", "'input'"),
    ("conversation", "conv_1", "'input'"),
    ("conversation", {"id": "conv_1"}, "'input'"),
    ("background", True, "later"),
    ("prompt", {"id": "pmpt_1"}, "'input'"),
    ("truncation", "auto", "'disabled'"),
    ("context_management", [{"type": "compaction"}], "compacted"),
]


@pytest.mark.parametrize(("name", "value", "text"), UNSERVED, ids=[f"{name}-{value!r}" for name, value, _ in UNSERVED])
def test_what_needs_a_store_is_refused_by_name(name: str, value: Any, text: str) -> None:
    with pytest.raises(UnsupportedField) as refused:
        parsed(**{name: value})
    assert (refused.value.param, refused.value.code) == (name, "unsupported_parameter")
    assert name in refused.value.message
    assert text in refused.value.message


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"3", b'{"model":', b"\xff"], ids=["empty", "list", "number", "cut", "utf8"]
)
def test_no_object(body: bytes) -> None:
    with pytest.raises(RequestError):
        parse_responses(body)
