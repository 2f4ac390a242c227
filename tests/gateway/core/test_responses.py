from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.reply.responses import ResponsesReply
from gateway.core.responses import Translation, translate
from gateway.core.schema.base import ignored
from gateway.core.schema.chat import parse_chat
from gateway.core.schema.responses import parse_responses
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Reasoning, Usage

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "description": None}
CHAT_FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
OTHER = {"type": "function", "name": "g"}
QUESTION = {"role": "user", "content": "q"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
ENCRYPTED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
SAID = {"role": "assistant", "content": "well"}


def call(id: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id, "name": "f", "arguments": '{"a": 1}'}


def chat_call(id: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def output(id: str, output: Any = "1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id, "output": output}


def translated(**fields: Any) -> Translation:
    return translate(parse_responses(json.dumps({"model": "qwen", "input": "q", **fields}).encode()))


ASSISTANT = {"role": "assistant"}
HISTORIES = [
    pytest.param("q", [QUESTION], id="a-string"),
    pytest.param([QUESTION, SAID, QUESTION], [QUESTION, SAID, QUESTION], id="messages"),
    pytest.param(
        [{"role": "developer", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}],
        [{"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        id="parts",
    ),
    pytest.param(
        [{"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]}],
        [{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        id="an-answer-and-a-refusal",
    ),
    pytest.param(
        [call("1"), call("2"), output("1"), output("2", [{"type": "input_text", "text": "2"}])],
        [
            {**ASSISTANT, "tool_calls": [chat_call("1"), chat_call("2")]},
            {"role": "tool", "tool_call_id": "1", "content": "1"},
            {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "2"}]},
        ],
        id="calls-of-one-turn",
    ),
    pytest.param(
        [THOUGHT, SAID, call("1"), output("1"), SAID],
        [
            {**SAID, "reasoning_content": "hm", "tool_calls": [chat_call("1")]},
            {"role": "tool", "tool_call_id": "1", "content": "1"},
            SAID,
        ],
        id="thinking-text-and-a-call-of-one-turn",
    ),
    pytest.param(
        [THOUGHT, call("1"), THOUGHT, call("2")],
        [
            {**ASSISTANT, "reasoning_content": "hm", "tool_calls": [chat_call("1")]},
            {**ASSISTANT, "reasoning_content": "hm", "tool_calls": [chat_call("2")]},
        ],
        id="thinking-between-calls",
    ),
    pytest.param([THOUGHT, THOUGHT, SAID], [{**SAID, "reasoning_content": "hm\nhm"}], id="thinking-in-two-items"),
    pytest.param(
        [{**THOUGHT, "id": f"rs_{index}"} for index in range(3)],
        [{**ASSISTANT, "reasoning_content": "hm\nhm\nhm"}],
        id="thinking-alone",
    ),
    pytest.param([SAID, SAID], [SAID, SAID], id="two-answers"),
    pytest.param([call("1"), SAID], [{**ASSISTANT, "tool_calls": [chat_call("1")]}, SAID], id="text-after-a-call"),
    pytest.param([THOUGHT, QUESTION], [{**ASSISTANT, "reasoning_content": "hm"}, QUESTION], id="thinking-that-was-cut"),
    pytest.param([ENCRYPTED, SAID], [SAID], id="encrypted-thinking"),
    pytest.param([SAID, ENCRYPTED, call("1")], [{**SAID, "tool_calls": [chat_call("1")]}], id="encrypted-between"),
]


@pytest.mark.parametrize(("input", "messages"), HISTORIES)
def test_histories(input: Any, messages: list[Any]) -> None:
    body = translated(input=input).body
    assert body["messages"] == messages
    assert ignored(parse_chat(body)) == ()


def test_instructions_come_first() -> None:
    body = translated(instructions="be brief", input=[{"role": "system", "content": "s"}, QUESTION]).body
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "system", "content": "s"},
        QUESTION,
    ]


SCHEMA = {"type": "object", "properties": {}}
FIELDS = [
    pytest.param({}, {}, id="nothing"),
    pytest.param({"temperature": None, "tools": None, "text": None, "reasoning": None}, {}, id="nulls"),
    pytest.param({"stream": True, "stream_options": {"include_obfuscation": False}}, {"stream": True}, id="stream"),
    pytest.param({"max_output_tokens": 9}, {"max_completion_tokens": 9}, id="max-tokens"),
    pytest.param({"temperature": 0, "top_p": 0.5}, {"temperature": 0, "top_p": 0.5}, id="sampling"),
    pytest.param({"include": ["message.output_text.logprobs"]}, {"logprobs": True}, id="logprobs"),
    pytest.param(
        {"include": ["message.output_text.logprobs"], "top_logprobs": 0},
        {"logprobs": True, "top_logprobs": 0},
        id="no-alternatives",
    ),
    pytest.param({"top_logprobs": 0}, {}, id="no-logprobs"),
    pytest.param({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}, id="effort"),
    pytest.param({"text": {"format": {"type": "text"}}}, {"response_format": {"type": "text"}}, id="text"),
    pytest.param({"text": {"verbosity": "medium"}}, {}, id="verbosity"),
    pytest.param(
        {"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}, id="json-object"
    ),
    pytest.param(
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "description": None, "schema": SCHEMA, "strict": True},
            }
        },
        id="json-schema",
    ),
    pytest.param({"tools": []}, {}, id="no-tools"),
    pytest.param({"tools": [FUNCTION]}, {"tools": [CHAT_FUNCTION]}, id="tools"),
    pytest.param(
        {"tools": [FUNCTION], "tool_choice": "required", "parallel_tool_calls": False},
        {"tools": [CHAT_FUNCTION], "tool_choice": "required", "parallel_tool_calls": False},
        id="a-word-for-a-choice",
    ),
    pytest.param(
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "f"}},
        {"tools": [CHAT_FUNCTION], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        id="a-function-for-a-choice",
    ),
    pytest.param(
        {
            "tools": [OTHER, FUNCTION],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        },
        {"tools": [CHAT_FUNCTION], "tool_choice": "required"},
        id="tools-that-are-allowed",
    ),
    pytest.param(
        {"top_k": 20, "seed": 0, "stop": ["a"], "chat_template_kwargs": {"enable_thinking": False}},
        {"top_k": 20, "seed": 0, "stop": ["a"], "chat_template_kwargs": {"enable_thinking": False}},
        id="extensions",
    ),
    pytest.param({"store": True, "metadata": {"a": "b"}, "user": "u", "service_tier": "flex"}, {}, id="openai's-own"),
]


@pytest.mark.parametrize(("fields", "expected"), FIELDS)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    body = translated(**fields).body
    assert body == {"model": "qwen", "messages": [QUESTION], **expected}
    assert ignored(parse_chat(body)) == ()


def test_tools_that_are_not_there_cannot_be_allowed() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "h"}]}
    with pytest.raises(RequestError) as refused:
        translated(tools=[FUNCTION], tool_choice=choice)
    assert refused.value.param == "tool_choice.tools[0].name"


# What the chat's own checks refuse → the field of this API that the error must name.
WRONG = [
    pytest.param({"max_output_tokens": 0}, "max_output_tokens", id="max-tokens"),
    pytest.param({"temperature": 3}, "temperature", id="temperature"),
    pytest.param({"top_logprobs": 21}, "top_logprobs", id="alternatives"),
    pytest.param({"top_k": "20"}, "top_k", id="extension"),
    pytest.param({"reasoning": {"effort": "much"}}, "reasoning.effort", id="effort"),
    pytest.param({"text": {"verbosity": "low"}}, "text.verbosity", id="verbosity"),
    pytest.param({"tools": [{"type": "function", "name": ""}]}, "tools[0].name", id="a-name-of-a-function"),
    pytest.param({"tool_choice": "required"}, "tool_choice", id="a-choice-of-nothing"),
    pytest.param({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "h"}}, "tool_choice", id="choice"),
    pytest.param(
        {
            "tools": [FUNCTION, {**OTHER, "parameters": {"type": "array"}}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]},
        },
        "tools[1].parameters",
        id="parameters-of-an-allowed-tool",
    ),
    pytest.param(
        {"input": [QUESTION, THOUGHT, SAID, call("1"), {**call("2"), "name": ""}]}, "input[4].name", id="a-call"
    ),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
def test_errors_of_the_chat_name_the_field_of_the_request(fields: dict[str, Any], param: str) -> None:
    translation = translated(**fields)
    with pytest.raises(RequestError) as refused:
        parse_chat(translation.body)
    error = translation.renamed(refused.value)
    assert error.param == param
    assert f"'{param}'" in error.message
    assert type(error) is type(refused.value)


PATHS = {
    "messages": "input",
    "messages[0].content": "instructions",
    "messages[1].content[2].text": "input[0].content[2].text",
    "messages[2].reasoning_content": "input[1]",
    "messages[2].content": "input[2].content",
    "messages[2].tool_calls[0].function.arguments": "input[3].arguments",
    "messages[2].tool_calls[0].id": "input[3].call_id",
    "messages[3].content": "input[4].output",
    "messages[3].tool_call_id": "input[4].tool_call_id",
    "messages[9]": "input[9]",
    "response_format.json_schema.schema": "text.format.schema",
    "response_format.type": "text.format.type",
    "max_tokens": "max_output_tokens",
    "logprobs": "include",
    "tool_choice.function.name": "tool_choice.name",
    "tools": "tools",
    "model": "model",
    "chat_template_kwargs.x": "chat_template_kwargs.x",
    "[": "[",
}


@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=PATHS)
def test_paths(path: str, expected: str) -> None:
    parts = [{"type": "input_text", "text": "a"}] * 3
    items = [{"role": "user", "content": parts}, THOUGHT, SAID, call("1"), output("1")]
    assert translated(instructions="i", input=items).field(path) == expected


def test_an_error_keeps_what_it_is() -> None:
    error = ContextLengthExceeded("The 'messages' and 'max_completion_tokens' are too many.", param="messages")
    renamed = translated().renamed(error)
    assert isinstance(renamed, ContextLengthExceeded)
    assert (renamed.message, renamed.param, renamed.code) == (
        "The 'input' and 'max_output_tokens' are too many.",
        "input",
        "context_length_exceeded",
    )


def test_an_answer_that_comes_back_is_one_turn() -> None:
    parts = (
        Reasoning("hm"),
        Content("well"),
        CallStart(0, "call_1", "f"),
        CallArguments(0, "{}"),
        CallStart(1, "call_2", "g"),
    )
    request = parse_responses(b'{"model":"qwen","input":"q"}')
    reply = ResponsesReply(id="resp_1", created=0, model="qwen", request=request)
    reply.push(Delta(parts, Finish("tool_calls", Usage(1, 2))))
    assert translated(input=[QUESTION, *reply.body()["output"]]).body["messages"] == [
        QUESTION,
        {
            "role": "assistant",
            "reasoning_content": "hm",
            "content": [{"type": "text", "text": "well"}],
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": ""}},
            ],
        },
    ]
