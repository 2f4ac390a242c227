from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import ContextLengthExceeded, ModelNotFound, RequestError, UnsupportedField
from gateway.core.messages import capped, chat_body, unheard
from gateway.core.schema.chat import parse_chat
from gateway.core.schema.messages import parse_count, parse_messages
from gateway.core.types import Generate, Prompt

HELLO = {"role": "user", "content": "hi"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "天气", "input": {"城市": "北京", "n": [1, None]}}
OPENAI_CALL: dict[str, Any] = {
    "id": "toolu_1",
    "type": "function",
    "function": {"name": "天气", "arguments": '{"城市": "北京", "n": [1, null]}'},
}


def request(**fields: Any) -> Any:
    return parse_messages(json.dumps({"model": "q", "max_tokens": 9, "messages": [HELLO], **fields}).encode())


def body(**fields: Any) -> dict[str, Any]:
    return chat_body(request(**fields)).body


def text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


def result(content: Any = None, **fields: Any) -> dict[str, Any]:
    given = {} if content is None else {"content": content}
    return {"type": "tool_result", "tool_use_id": "toolu_1", **given, **fields}


def answer(content: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": "toolu_1", "content": content}


HISTORIES = [
    pytest.param({}, [HELLO], id="one-text"),
    pytest.param({"system": "s"}, [{"role": "system", "content": "s"}, HELLO], id="system"),
    pytest.param(
        {"system": [text("a"), text("b")]},
        [{"role": "system", "content": [text("a"), text("b")]}, HELLO],
        id="system-blocks",
    ),
    pytest.param({"system": ""}, [HELLO], id="empty-system"),
    pytest.param({"system": []}, [HELLO], id="no-system-blocks"),
    pytest.param(
        {"messages": [HELLO, {"role": "system", "content": [text("brief")]}, HELLO]},
        [HELLO, {"role": "system", "content": [text("brief")]}, HELLO],
        id="system-in-the-middle",
    ),
    pytest.param(
        {"messages": [{"role": "user", "content": [text("a") | {"cache_control": {"type": "ephemeral"}}, text("b")]}]},
        [{"role": "user", "content": [text("a"), text("b")]}],
        id="blocks-without-hints",
    ),
    pytest.param({"messages": [{"role": "user", "content": []}]}, [{"role": "user", "content": []}], id="no-blocks"),
    pytest.param({"messages": [HELLO, HELLO]}, [HELLO, HELLO], id="two-turns-of-one-role"),
    pytest.param(
        {"messages": [HELLO, {"role": "assistant", "content": "a"}, HELLO]},
        [HELLO, {"role": "assistant", "content": "a"}, HELLO],
        id="assistant-text",
    ),
    pytest.param(
        {
            "messages": [
                HELLO,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t1", "signature": "s"},
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "thinking", "thinking": "t2", "signature": "s"},
                        text("a"),
                        CALL,
                        CALL | {"id": "toolu_2", "name": "f", "input": {}},
                    ],
                },
                {"role": "user", "content": [result("sun"), result(tool_use_id="toolu_2"), text("and?")]},
            ]
        },
        [
            HELLO,
            {
                "role": "assistant",
                "content": [text("a")],
                "reasoning_content": "t1\n\nt2",
                "tool_calls": [
                    OPENAI_CALL,
                    {"id": "toolu_2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                ],
            },
            answer("sun"),
            answer("") | {"tool_call_id": "toolu_2"},
            {"role": "user", "content": [text("and?")]},
        ],
        id="thinking-calls-and-results",
    ),
    pytest.param(
        {
            "messages": [
                {"role": "assistant", "content": [CALL]},
                {"role": "user", "content": [result([text("a"), text("b")])]},
            ]
        },
        [{"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]}, answer("ab")],
        id="only-a-call-and-a-result-in-blocks",
    ),
    pytest.param(
        {"messages": [{"role": "user", "content": [text("a"), result("x", is_error=True), text("b")]}]},
        [answer("Error: x"), {"role": "user", "content": [text("a"), text("b")]}],
        id="a-failed-call-says-so-and-comes-first",
    ),
    pytest.param(
        {"messages": [{"role": "user", "content": [result("x", is_error=False)]}]},
        [answer("x")],
        id="a-call-that-went-well",
    ),
    pytest.param(
        {"messages": [{"role": "assistant", "content": [CALL | {"name": "get the 天气"}]}, HELLO]},
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [OPENAI_CALL | {"function": {**OPENAI_CALL["function"], "name": "get the 天气"}}],
            },
            HELLO,
        ],
        id="a-name-that-no-tool-has",
    ),
    pytest.param(
        {"messages": [HELLO, {"role": "assistant", "content": [{"type": "thinking", "thinking": ""}]}, HELLO]},
        [HELLO, {"role": "assistant", "content": None}, HELLO],
        id="thinking-that-was-not-shown",
    ),
]


@pytest.mark.parametrize(("fields", "messages"), HISTORIES)
def test_histories(fields: dict[str, Any], messages: list[Any]) -> None:
    translated = body(**fields)
    assert translated == {"model": "q", "messages": messages}
    parse_chat(translated)


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


def test_a_turn_of_the_assistant_at_the_end_is_continued() -> None:
    translated = body(messages=[HELLO, {"role": "assistant", "content": [text("The answer is (")]}])
    assert translated["continue_final_message"] is True
    assert translated["add_generation_prompt"] is False
    assert "continue_final_message" not in body()


def test_a_call_at_the_end_wants_its_result() -> None:
    with pytest.raises(RequestError, match="'tool_result'") as caught:
        body(messages=[HELLO, {"role": "assistant", "content": [CALL]}])
    assert caught.value.param == "messages[1]"


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


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NAMES = st.text('abz09_- <"天气', min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
TEXT_BLOCKS = st.builds(text, TEXTS)
RESULTS = st.builds(
    result,
    st.none() | TEXTS | st.lists(TEXT_BLOCKS, max_size=2),
    tool_use_id=NAMES,
    is_error=st.none() | st.booleans(),
)
CALLS = st.fixed_dictionaries(
    {"type": st.just("tool_use"), "id": NAMES, "name": NAMES, "input": st.dictionaries(TEXTS, VALUES, max_size=2)}
)
THOUGHTS = st.fixed_dictionaries({"type": st.just("thinking"), "thinking": TEXTS, "signature": TEXTS})
TURNS = st.one_of(
    st.fixed_dictionaries(
        {"role": st.just("user"), "content": TEXTS | st.lists(TEXT_BLOCKS | RESULTS, max_size=4)},
    ),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": TEXTS | st.lists(TEXT_BLOCKS | CALLS | THOUGHTS, max_size=4)},
    ),
    st.fixed_dictionaries({"role": st.just("system"), "content": TEXTS | st.lists(TEXT_BLOCKS, max_size=2)}),
)


@given(st.lists(TURNS, max_size=5))
@settings(max_examples=200, deadline=None)
def test_nothing_of_a_history_is_lost_and_every_chat_is_valid(turns: list[dict[str, Any]]) -> None:
    asked = request(messages=[*turns, HELLO])
    translated = chat_body(asked)
    parse_chat(translated.body)
    assert len(translated.sources) == len(translated.body["messages"])
    for index, turn in enumerate(turns):
        made = [
            message
            for message, source in zip(translated.body["messages"], translated.sources, strict=True)
            if source == f"messages[{index}]"
        ]
        blocks = turn["content"] if isinstance(turn["content"], list) else [text(turn["content"])]
        assert texts_of(made, turn["role"]) == "".join(b["text"] for b in blocks if b["type"] == "text")
        calls = [call for message in made for call in message.get("tool_calls", [])]
        assert [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls
        ] == [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
        assert [message["tool_call_id"] for message in made if message["role"] == "tool"] == [
            block["tool_use_id"] for block in blocks if block["type"] == "tool_result"
        ]


def texts_of(messages: list[dict[str, Any]], role: str) -> str:
    contents = [message["content"] or "" for message in messages if message["role"] == role]
    return "".join(c if isinstance(c, str) else "".join(part["text"] for part in c) for c in contents)
