"""What the demo says to the model, through the OpenAI SDK: questions, and a tool call that is really executed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from openai import OpenAI

# Hours ahead of UTC, of cities that do not change their clocks: a machine may have no table of time zones.
CITIES = {"Tokyo": 9.0, "Beijing": 8.0, "Singapore": 8.0, "Delhi": 5.5, "Dubai": 4.0, "北京": 8.0, "东京": 9.0}


def get_time(city: str) -> dict[str, str]:
    """The tool: it runs here, on this machine."""
    hours = CITIES.get(city)
    if hours is None:
        return {"error": f"unknown city {city}; known are {', '.join(CITIES)}"}
    return {"city": city, "time": datetime.now(timezone(timedelta(hours=hours))).strftime("%H:%M")}


TOOLS: Mapping[str, Callable[..., Any]] = {"get_time": get_time}
DESCRIBED: Any = [
    {
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
]


class EmptyAnswer(Exception):
    """Nothing came: neither text nor a call."""


def ask(client: OpenAI, model: str, question: str, *, thinking: bool = False) -> None:
    """One streamed answer, printed as it arrives."""
    print(f"\nYou: {question}{'  (thinking is on)' if thinking else ''}\nQwen: ", end="", flush=True)
    _answer(client, model, [{"role": "user", "content": question}], thinking=thinking)


def ask_with_tools(client: OpenAI, model: str, question: str) -> None:
    """A question that needs a tool: the model calls it, we run it, the model answers with its result."""
    print(f"\nYou: {question}\n     (with the tool {', '.join(TOOLS)})\nQwen: ", end="", flush=True)
    messages: list[Any] = [{"role": "user", "content": question}]
    reply = _answer(client, model, messages, tools=DESCRIBED)
    messages.append(reply)
    for call in reply.get("tool_calls", []):
        function = call["function"]
        result = _run(function["name"], function["arguments"])
        print(f"Tool: {function['name']}({function['arguments']}) = {result}", flush=True)
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    if len(messages) > 2:
        print("Qwen: ", end="", flush=True)
        _answer(client, model, messages, tools=DESCRIBED)


def _run(name: str, arguments: str) -> str:
    """The tool's result as JSON. What the model wrote is checked like any input."""
    try:
        result = TOOLS[name](**json.loads(arguments))
    except (KeyError, TypeError, ValueError) as exc:
        result = {"error": f"{type(exc).__name__}: {exc}"}
    return json.dumps(result, ensure_ascii=False)


def _answer(
    client: OpenAI, model: str, messages: list[Any], *, tools: Any = None, thinking: bool = False
) -> dict[str, Any]:
    """The assistant's message, printed while it comes, with its thinking in parentheses; then what it cost."""
    started_at = time.perf_counter()
    first = None
    usage = None
    shown_thinking = False
    content: list[str] = []
    calls: list[dict[str, Any]] = []
    more: dict[str, Any] = {} if tools is None else {"tools": tools}
    stream = client.chat.completions.create(
        model=model,
        messages=messages,
        max_tokens=256,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"chat_template_kwargs": {"enable_thinking": thinking}},
        **more,
    )
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            delta = choice.delta
            thought = getattr(delta, "reasoning_content", None)
            if thought or delta.content or delta.tool_calls:
                first = first or time.perf_counter()
            if thought:
                print("" if shown_thinking else "(", thought, sep="", end="", flush=True)
                shown_thinking = True
            if delta.content:
                print(") " if shown_thinking and not content else "", delta.content, sep="", end="", flush=True)
                content.append(delta.content)
            for part in delta.tool_calls or ():
                _add(calls, part)
    if first is None or usage is None:
        raise EmptyAnswer("The answer was empty; the logs above say more.")
    for call in calls:
        print(f"calls {call['function']['name']}({call['function']['arguments']})", end="")
    seconds = time.perf_counter() - started_at
    print(f"\n({usage.completion_tokens} tokens in {seconds:.1f} s, the first after {first - started_at:.2f} s)")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(content) or None}
    return {**message, "tool_calls": calls} if calls else message


def _add(calls: list[dict[str, Any]], part: Any) -> None:
    """A piece of a streamed call: the name comes once, the arguments in slices."""
    if part.index == len(calls):
        calls.append({"id": part.id, "type": "function", "function": {"name": part.function.name, "arguments": ""}})
    calls[part.index]["function"]["arguments"] += part.function.arguments or ""
