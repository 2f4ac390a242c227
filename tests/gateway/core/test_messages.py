from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import ContextLengthExceeded, ModelNotFound, UnsupportedField
from gateway.core.messages import capped, chat_body, unheard
from gateway.core.schema.chat import parse_chat
from gateway.core.schema.messages import parse_count
from gateway.core.types import Generate, Prompt
from tests.gateway.core.message_requests import CALL, HELLO, body, request, result, text

TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}
FUNCTION = {"name": "f", "parameters": TOOL["input_schema"]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}

FIELDS = [
    pytest.param(
        {"stop_sequences": ["a", "b"], "temperature": 0.5, "top_p": 0.25, "top_k": 3, "stream": True},
        {"stop": ["a", "b"], "temperature": 0.5, "top_p": 0.25, "top_k": 3, "stream": True},
        id="sampling",
    ),
    pytest.param(
        {"temperature": 0, "top_k": 0, "stream": False}, {"temperature": 0, "top_k": 0, "stream": False}, id="0"
    ),
    pytest.param({"stop_sequences": [], "tools": [], "metadata": {}}, {}, id="empty-is-absent"),
    pytest.param({"metadata": {"user_id": "u"}, "service_tier": "auto"}, {"user": "u"}, id="user"),
    pytest.param({"tools": [TOOL]}, {"tools": [{"type": "function", "function": FUNCTION}]}, id="tool"),
    pytest.param(
        {
            "tools": [
                TOOL
                | {"type": "custom", "description": "d", "strict": True, "input_examples": [{"x": 1}]}
                | {"cache_control": {"type": "ephemeral"}, "defer_loading": False, "allowed_callers": ["direct"]}
            ]
        },
        {
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": "d",
                        "parameters": {**TOOL["input_schema"], "examples": [{"x": 1}]},  # type: ignore[dict-item]
                        "strict": True,
                    },
                }
            ]
        },
        id="tool-with-everything",
    ),
    pytest.param({"tool_choice": {"type": "auto"}}, {"tool_choice": "auto"}, id="choice-auto"),
    pytest.param({"tool_choice": {"type": "none"}}, {"tool_choice": "none"}, id="choice-none"),
    pytest.param(
        {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        {
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
        id="choice-any-one-only",
    ),
    pytest.param(
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": False}},
        {
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": True,
        },
        id="choice-named",
    ),
    pytest.param(
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"chat_template_kwargs": {"enable_thinking": True}},
        id="thinking",
    ),
    pytest.param(
        {"thinking": {"type": "adaptive"}}, {"chat_template_kwargs": {"enable_thinking": True}}, id="thinking-adaptive"
    ),
    pytest.param(
        {"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False}}, id="no-thinking"
    ),
    pytest.param(
        {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "output", "schema": SCHEMA, "strict": True},
            }
        },
        id="structured-output",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), FIELDS)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    translated = body(**fields)
    assert translated == {"model": "q", "messages": [HELLO], **expected}
    parse_chat(translated)


def test_a_count_asks_for_the_same_prompt() -> None:
    fields = {"model": "q", "system": "s", "messages": [HELLO], "tools": [TOOL], "thinking": {"type": "disabled"}}
    counted = chat_body(parse_count(json.dumps(fields).encode())).body
    assert counted == body(**fields)
    parse_chat(counted)


@pytest.mark.parametrize(
    ("room", "asked", "most"), [(100, 9, 9), (100, 32_000, 100), (9, 9, 9)], ids=["asked", "room", "both"]
)
def test_no_more_tokens_than_there_is_room_for(room: int, asked: int, most: int) -> None:
    generate = Generate(id="x", model="q", prompt=Prompt("", ()), max_tokens=room, end_ids=())
    assert capped(generate, asked).max_tokens == most
    assert generate.max_tokens == room


def test_advice_that_changes_nothing_is_named() -> None:
    turn = {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, text("a")]}
    assert unheard(
        request(
            messages=[HELLO, turn, HELLO, turn, HELLO],
            thinking={"type": "enabled", "budget_tokens": 1024},
            output_config={"effort": "max"},
            new=1,
        )
    ) == ("new", "thinking.budget_tokens", "output_config.effort", "messages[].content[].data")
    assert unheard(request(thinking={"type": "adaptive"}, output_config={}, messages=[HELLO])) == ()


ERRORS = [
    pytest.param("messages[0].content", "system", id="system"),
    pytest.param("messages[1]", "messages[0]", id="first-turn"),
    pytest.param("messages[2].tool_calls[0].function.arguments", "messages[1]", id="call"),
    pytest.param("messages[4].content", "messages[2]", id="second-result"),
    pytest.param("messages[5].content", "messages[2]", id="text-after-results"),
    pytest.param("messages", "messages", id="messages"),
    pytest.param("model", "model", id="model"),
    pytest.param("stop[1]", "stop_sequences", id="stop"),
    pytest.param("max_completion_tokens", "max_tokens", id="max-tokens"),
    pytest.param("tools[3].function.parameters.type", "tools[3].input_schema", id="parameters"),
    pytest.param("tools[3].function.name", "tools[3].name", id="tool-name"),
    pytest.param("tools[3].function", "tools[3]", id="tool"),
    pytest.param("tools", "tools", id="tools"),
    pytest.param("tool_choice", "tool_choice", id="tool-choice"),
    pytest.param("parallel_tool_calls", "tool_choice", id="parallel"),
    pytest.param("chat_template_kwargs.enable_thinking", "thinking", id="thinking"),
    pytest.param("response_format.json_schema.schema", "output_config.format", id="format"),
    pytest.param("top_k", "top_k", id="top-k"),
    pytest.param(None, None, id="no-field"),
]


@pytest.mark.parametrize(("param", "expected"), ERRORS)
def test_errors_found_later_name_the_clients_field(param: str | None, expected: str | None) -> None:
    translated = chat_body(
        request(
            system="s",
            messages=[
                HELLO,
                {"role": "assistant", "content": [CALL, CALL | {"id": "toolu_2"}]},
                {"role": "user", "content": [result("x"), result("y"), text("z")]},
            ],
        )
    )
    error = translated.restored(UnsupportedField(f"Invalid '{param}': no.", param=param))
    assert (error.param, error.message) == (expected, f"Invalid '{expected}': no.")
    assert (type(error), error.code) == (UnsupportedField, "unsupported_parameter")


def test_errors_keep_their_kind() -> None:
    translated = chat_body(request())
    assert isinstance(translated.restored(ModelNotFound("x", param="model")), ModelNotFound)
    assert isinstance(translated.restored(ContextLengthExceeded("x", param="messages")), ContextLengthExceeded)
