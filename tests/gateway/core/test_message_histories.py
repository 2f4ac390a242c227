from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import RequestError
from gateway.core.messages import chat_body
from gateway.core.schema.chat import parse_chat
from tests.gateway.core.message_requests import CALL, HELLO, body, request, result, text

OPENAI_CALL: dict[str, Any] = {
    "id": "toolu_1",
    "type": "function",
    "function": {"name": "天气", "arguments": '{"城市": "北京", "n": [1, null]}'},
}


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


def test_a_turn_of_the_assistant_at_the_end_is_continued() -> None:
    translated = body(messages=[HELLO, {"role": "assistant", "content": [text("The answer is (")]}])
    assert translated["continue_final_message"] is True
    assert translated["add_generation_prompt"] is False
    assert "continue_final_message" not in body()


def test_a_call_at_the_end_wants_its_result() -> None:
    with pytest.raises(RequestError, match="'tool_result'") as caught:
        body(messages=[HELLO, {"role": "assistant", "content": [CALL]}])
    assert caught.value.param == "messages[1]"


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
@settings(max_examples=200)
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
