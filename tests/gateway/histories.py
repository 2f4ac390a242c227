"""Histories as OpenAI's clients send them, and as templates want them, written side by side by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class History:
    """``wanted``: what a template is to render; None where it is what the client sent."""

    name: str
    sent: Messages
    wanted: Messages | None = None
    tools: Sequence[dict[str, Any]] = ()
    options: dict[str, Any] = field(default_factory=dict)


def function(name: str, properties: dict[str, Any], *, about: str = "", required: Sequence[str] = ()) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}


def call(id: str, name: str, arguments: dict[str, Any], *, text: bool) -> dict[str, Any]:
    """A call of an earlier turn: its arguments as JSON text, as clients have them, or as a mapping."""
    given = json.dumps(arguments, ensure_ascii=False) if text else arguments
    return {"id": id, "type": "function", "function": {"name": name, "arguments": given}}


WEATHER = function("get_weather", {"city": {"type": "string", "description": "name of a city"}}, about="Weather now")
SEARCH = function(
    "search",
    {
        "query": {"type": "string"},
        "filter": {
            "type": "object",
            "properties": {
                "years": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
                "kind": {"enum": ["book", "paper"], "default": "book"},
            },
            "additionalProperties": False,
        },
        "limit": {"type": ["integer", "null"], "enum": [1, 10, None]},
    },
    about="Find things: 'a' & \"b\" — 中文",
    required=["query"],
)

SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = {"role": "user", "content": "Hello!"}
HI = {"role": "assistant", "content": "Hi, how are you?"}
FINE = {"role": "user", "content": "Fine. What is the capital of France?"}
ASK = {"role": "user", "content": "What is the weather in Paris?"}


def asked(*cities: str, text: bool, content: str | None = "") -> dict[str, Any]:
    calls = [call(f"call_{i}", "get_weather", {"city": city}, text=text) for i, city in enumerate(cities)]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def answer(id: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


SUNNY, RAINY = answer("call_0", '{"sky": "sunny"}'), answer("call_1", "rain")
THOUGHT = {"role": "assistant", "content": "4", "reasoning_content": "2 and 2 are 4."}

HISTORIES = [
    History("user", [HELLO]),
    History("system-user", [SYSTEM, HELLO]),
    History("developer", [{"role": "developer", "content": "Be brief."}, HELLO], [SYSTEM, HELLO]),
    History("three-turns", [SYSTEM, HELLO, HI, FINE]),
    History("without-a-system", [HELLO, HI, FINE]),
    History("a-system-in-the-middle", [HELLO, HI, SYSTEM, FINE]),
    History(
        "developer-after-system",
        [SYSTEM, {"role": "developer", "content": "In French."}, HELLO],
        [SYSTEM, {"role": "system", "content": "In French."}, HELLO],
    ),
    History("two-users", [HELLO, FINE]),
    History("ends-with-the-assistant", [HELLO, HI]),
    History(
        "parts",
        [{"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo!"}]}],
        [HELLO],
    ),
    History("no-parts", [{"role": "user", "content": []}], [{"role": "user", "content": ""}]),
    History("empty", [{"role": "system", "content": ""}, {"role": "user", "content": ""}]),
    History("null", [HELLO, {"role": "assistant", "content": None}], [HELLO, {"role": "assistant", "content": ""}]),
    History(
        "refusal",
        [HELLO, {"role": "assistant", "content": None, "refusal": "I cannot."}, FINE],
        [HELLO, {"role": "assistant", "content": "I cannot."}, FINE],
    ),
    History("name", [{**HELLO, "name": "ann"}]),
    History(
        "chinese", [{"role": "system", "content": "请用中文回答。"}, {"role": "user", "content": "如何保持正能量？"}]
    ),
    History("emoji", [{"role": "user", "content": "😀👨‍👩‍👧 é é ﬁ \u00a0\u200b"}]),
    History(
        "space", [{"role": "user", "content": "  \n a \t\r\n\n "}, {"role": "assistant", "content": "\n\nb\n"}, FINE]
    ),
    History("code", [{"role": "user", "content": "if a < b and c > d:\n    return x<y>z  # <b>&lt;</b>\n"}]),
    History("braces", [{"role": "user", "content": "{{ messages }} {% raw %} {# no #} \\n \"'"}]),
    History("quotes", [SYSTEM, {"role": "user", "content": "> quoted\n>> twice\n\n<- left"}, HI, FINE]),
    History("tools", [ASK], tools=[WEATHER]),
    History("two-tools", [SYSTEM, ASK], tools=[WEATHER, SEARCH]),
    History(
        "a-call",
        [ASK, asked("Paris", text=True, content=None), SUNNY],
        [ASK, asked("Paris", text=False), SUNNY],
        tools=[WEATHER],
    ),
    History(
        "a-call-with-text",
        [ASK, asked("Paris", text=True, content="I will look."), SUNNY, HI, FINE],
        [ASK, asked("Paris", text=False, content="I will look."), SUNNY, HI, FINE],
        tools=[WEATHER],
    ),
    History(
        "parallel-calls",
        [ASK, asked("Paris", "北京", text=True), SUNNY, RAINY],
        [ASK, asked("Paris", "北京", text=False), SUNNY, RAINY],
        tools=[WEATHER],
    ),
    History(
        "many-steps",
        [ASK, asked("Paris", text=True), SUNNY, asked("Oslo", text=True), RAINY, HI, HELLO],
        [ASK, asked("Paris", text=False), SUNNY, asked("Oslo", text=False), RAINY, HI, HELLO],
        tools=[WEATHER],
    ),
    History(
        "thinking-between-calls",
        [ASK, {**asked("Paris", text=True), "reasoning_content": "I must look."}, SUNNY],
        [ASK, {**asked("Paris", text=False), "reasoning_content": "I must look."}, SUNNY],
        tools=[WEATHER],
    ),
    History(
        "no-arguments",
        [ASK, {"role": "assistant", "tool_calls": [{"function": {"name": "now", "arguments": ""}}]}, RAINY],
        [
            ASK,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"type": "function", "function": {"name": "now", "arguments": {}}}],
            },
            RAINY,
        ],
    ),
    History(
        "nested-arguments",
        [
            ASK,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    call(
                        "call_0",
                        "search",
                        {"query": 'a "b" \\ \n 😀', "filter": {"years": [1, 2.5, -3e10]}, "limit": None, "all": True},
                        text=True,
                    )
                ],
            },
            answer("call_0", [{"type": "text", "text": "no"}, {"type": "text", "text": "thing"}]),
        ],
        [
            ASK,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    call(
                        "call_0",
                        "search",
                        {"query": 'a "b" \\ \n 😀', "filter": {"years": [1, 2.5, -3e10]}, "limit": None, "all": True},
                        text=False,
                    )
                ],
            },
            answer("call_0", "nothing"),
        ],
        tools=[SEARCH],
    ),
    History("earlier-thinking", [HELLO, THOUGHT, FINE]),
    History("thinking-last", [HELLO, THOUGHT]),
    History(
        "thinking-by-its-other-name",
        [HELLO, {"role": "assistant", "content": "4", "reasoning": "2 and 2 are 4."}],
        [HELLO, THOUGHT],
    ),
    History("thinking-on", [HELLO], options={"enable_thinking": True}),
    History("thinking-off", [HELLO, THOUGHT, FINE], options={"enable_thinking": False}),
    History("thinking-off-with-tools", [ASK], tools=[WEATHER], options={"enable_thinking": False}),
    History("a-tool-first", [SUNNY, FINE]),
]

# Only where a template reads thinking from a field of its own: elsewhere the tags stay in the content, as text.
THINKING = [
    History(
        "tags", [HELLO, {"role": "assistant", "content": "<think>\n2 and 2 are 4.\n</think>\n\n4"}], [HELLO, THOUGHT]
    ),
    History(
        "tags-of-an-earlier-turn",
        [HELLO, {"role": "assistant", "content": "<think>2 and 2 are 4.</think>4"}, FINE],
        [HELLO, THOUGHT, FINE],
    ),
    History(
        "an-end-only", [HELLO, {"role": "assistant", "content": "2 and 2 are 4.\n</think>\n\n4"}], [HELLO, THOUGHT]
    ),
    History(
        "empty-tags",
        [HELLO, {"role": "assistant", "content": "<think>\n\n</think>\n\n4"}, FINE],
        [HELLO, {"role": "assistant", "content": "4", "reasoning_content": ""}, FINE],
    ),
]
