"""Tool calls in replies that are not streamed. Pure but for asking."""

from __future__ import annotations

import json
from typing import Any

from gateway.commands.check.exchange import Exchange
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import Missed, NotApplicable, check, need, reach, shown

QUESTION = "What time is it in Tokyo?"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "Get the current time in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city"}},
            "required": ["city"],
        },
    },
}
NAMED = {"type": "function", "function": {"name": "get_time"}}
ROOM = 600  # tokens, so that a model which thinks first comes to its call


def asked(target: Target, choice: Any, *, stream: bool = False, **more: Any) -> Exchange:
    """A question that a tool answers. ``choice``: tool_choice; None leaves it out."""
    ask = target.stream if stream else target.chat
    return ask(QUESTION, tools=[TOOL], tool_choice=choice, max_tokens=ROOM, **more).offered(
        "tools, or this tool_choice"
    )


def calls_of(exchange: Exchange) -> list[dict[str, Any]]:
    """The calls of a reply, perhaps none. NotApplicable where the answer was cut before one."""
    choice = reach(exchange.json, "choices", 0, kind=dict)
    calls = reach(choice, "message", kind=dict).get("tool_calls") or []
    if not calls and choice.get("finish_reason") == "length":
        raise NotApplicable(f"the answer was cut after {ROOM} tokens, before a call")
    found: list[dict[str, Any]] = reach(calls, kind=list)
    return found


def forced(target: Target, choice: Any = "required", **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The choice and the calls of a reply that must have one."""
    exchange = asked(target, choice, **more)
    calls = calls_of(exchange)
    message = reach(exchange.json, "choices", 0, "message", kind=dict)
    need(bool(calls), f"a call, as tool_choice {shown(choice)} demands", message)
    return exchange.json["choices"][0], calls


def need_arguments(text: Any) -> None:
    """Missed unless arguments are JSON in a text."""
    try:
        value = json.loads(reach(text, kind=str))
    except (ValueError, RecursionError):
        raise Missed("arguments that are JSON", shown(text)) from None
    need(isinstance(value, dict) and "city" in value, 'arguments with the required "city"', text)


@check("tools.required", "tool_choice: required ends with tool_calls, as OpenAI does; agents loop on that word.")
def required(target: Target) -> None:
    choice, _ = forced(target)
    need(choice.get("finish_reason") == "tool_calls", '"finish_reason": "tool_calls"', choice.get("finish_reason"))


@check("tools.named", "With a named tool OpenAI ends with stop; extraction code expects the call all the same.")
def named(target: Target) -> None:
    choice, calls = forced(target, NAMED)
    need(reach(calls, 0, "function", "name") == "get_time", "a call of get_time", calls)
    need(choice.get("finish_reason") == "stop", '"finish_reason": "stop"', choice.get("finish_reason"))


@check("tools.auto", "A call that the model chose itself ends with tool_calls, and the list is not empty.")
def auto(target: Target) -> None:
    exchange = asked(target, "auto")
    reason = reach(exchange.json, "choices", 0, "finish_reason")
    calls = calls_of(exchange)
    need(bool(calls) or reason != "tool_calls", "a call where finish_reason says so", "an empty list")
    if not calls:
        raise NotApplicable("the model called nothing")
    need(reason == "tool_calls", '"finish_reason": "tool_calls"', reason)


@check("tools.default", "Tools without a tool_choice mean auto; where none is the default, agents never act.")
def default(target: Target) -> None:
    if not calls_of(asked(target, "auto")):
        raise NotApplicable("the model called nothing")
    need(bool(calls_of(asked(target, None))), "a call without tool_choice as with auto", "none")


@check("tools.shape", "id, type and function are required; the id is how the result finds its call.")
def shape(target: Target) -> None:
    _, calls = forced(target)
    for number in range(len(calls)):
        need(reach(calls, number, "type") == "function", '"type": "function"', calls[number]["type"])
        found = reach(calls, number, "id", kind=str)
        need(found.startswith("call_"), "an id that begins with call_", found)
        reach(calls, number, "function", "name", kind=str)
    ids = [call["id"] for call in calls]
    need(len(set(ids)) == len(ids), "another id for each call", ids)


@check("tools.arguments", "Arguments are a text with JSON in it: clients call their parser on them.")
def arguments(target: Target) -> None:
    _, calls = forced(target)
    for number in range(len(calls)):
        need_arguments(reach(calls, number, "function", "arguments", kind=str))


@check("tools.content-null", "Beside calls content is null and there; clients send the message back as it is.")
def content_null(target: Target) -> None:
    choice, _ = forced(target)
    need(reach(choice, "message", "content") is None, '"content": null', choice["message"]["content"])


@check("tools.result", "The call and its result go back as an assistant's and a tool's message.")
def result(target: Target) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": '{"city": "Tokyo"}'}}
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"time": "12:00"}'},
    ]
    target.chat(messages=messages, tools=[TOOL]).offered("tools")


@check("tools.one-at-a-time", "parallel_tool_calls: false means one call; more are run by who asked for one.")
def one_at_a_time(target: Target) -> None:
    _, calls = forced(target, parallel_tool_calls=False)
    need(len(calls) == 1, "one call", f"{len(calls)}")


CHECKS = (required, named, auto, default, shape, arguments, content_null, result, one_at_a_time)
