"""What the real anthropic package must be able to read, as checks that run in a process of their own.

``python -m tests.sdk.anthropic_checks GATEWAY_URL DEAD_GATEWAY_URL`` runs them and prints a JSON object per check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from tests.sdk.openai_checks import CALL, SECOND, says
from tests.sdk.running import Gateways, run

TOOLS: Any = [
    {
        "name": name,
        "description": "Looks it up.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    for name in ("get_weather", "get_time")
]
INPUTS = [("get_weather", {"city": "巴黎"}), ("get_time", {"city": "Paris", "zone": 1})]
ASKED: Any = {"model": "direct", "max_tokens": 500}


def client(gateways: Gateways, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateways.url, api_key=gateways.key, **{"max_retries": 0, **options})


def create(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.messages.create(**ASKED, messages=says("你好, world 😀"))
    (block,) = reply.content
    assert (block.type, getattr(block, "text", None)) == ("text", "你好, world 😀")
    assert (reply.type, reply.role, reply.stop_reason) == ("message", "assistant", "end_turn")
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert reply._request_id


def create_async(gateways: Gateways) -> None:
    async def ask() -> None:
        sdk = anthropic.AsyncAnthropic(base_url=gateways.url, api_key=gateways.key, max_retries=0)
        async with sdk, sdk.messages.stream(**ASKED, messages=says("你好")) as stream:
            assert "".join([text async for text in stream.text_stream]) == "你好"

    asyncio.run(ask())


def stream(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        events = list(sdk.messages.create(**ASKED, messages=says("你好, world"), stream=True))
    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    assert "".join(delta.text for delta in deltas if delta.type == "text_delta") == "你好, world"
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")


def stream_helper(gateways: Gateways) -> None:
    with client(gateways) as sdk, sdk.messages.stream(**ASKED, messages=says("你好, world")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == stream.get_final_text() == "你好, world"
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0


def stop_sequences(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.messages.create(**ASKED, messages=says("one STOP two"), stop_sequences=["STOP"])
    assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "STOP")


def the_limit(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.messages.create(model="direct", max_tokens=3, messages=says("one two ", repeat=True))
    assert (reply.stop_reason, reply.usage.output_tokens) == ("max_tokens", 3)


def tool_use(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.messages.create(**ASKED, messages=says(f"{CALL}\n{SECOND}"), tools=TOOLS)
        with sdk.messages.stream(**ASKED, messages=says(f"{CALL}\n{SECOND}"), tools=TOOLS) as stream:
            final = stream.get_final_message()
    for message in (reply, final):
        calls = [block for block in message.content if block.type == "tool_use"]
        assert [(call.name, call.input) for call in calls] == INPUTS
        assert len({call.id for call in calls}) == 2
        assert message.stop_reason == "tool_use"


def tool_conversation(gateways: Gateways) -> None:
    """The reply of one turn is what the next turn sends back."""
    with client(gateways) as sdk:
        asked = says(CALL)
        first = sdk.messages.create(**ASKED, messages=asked, tools=TOOLS)
        (call,) = [block for block in first.content if block.type == "tool_use"]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        text = {"type": "text", "text": says("It is sunny.")[0]["content"]}
        history: Any = [
            *asked,
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
            {"role": "user", "content": [result, text]},
        ]
        second = sdk.messages.create(**ASKED, messages=history, tools=TOOLS, system="Be short.")
    assert getattr(second.content[0], "text", None) == "It is sunny."


def count_tokens(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        asked = says("hi")
        counted = sdk.messages.count_tokens(model="direct", messages=asked)
        used = sdk.messages.create(**ASKED, messages=asked).usage.input_tokens
    assert counted.input_tokens == used


def errors(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        with pytest.raises(anthropic.NotFoundError) as missing:
            sdk.messages.create(model="nobody", max_tokens=5, messages=says("x"))
        with pytest.raises(anthropic.BadRequestError) as bad:
            sdk.messages.create(**ASKED, messages=says("x"), extra_body={"temperature": 9})
    for caught, kind in ((missing, "not_found_error"), (bad, "invalid_request_error")):
        body: Any = caught.value.body
        assert body["error"]["type"] == kind
        assert caught.value.request_id


def error_in_a_stream(gateways: Gateways) -> None:
    asked = says("one two three four", error_after=3, delay_ms=20, error="the engine broke")
    with client(gateways) as sdk, pytest.raises(anthropic.APIStatusError, match="the engine broke"):
        list(sdk.messages.create(**ASKED, messages=asked, stream=True))


CHECKS: dict[str, Callable[[Gateways], None]] = {
    check.__name__: check
    for check in (
        create,
        create_async,
        stream,
        stream_helper,
        stop_sequences,
        the_limit,
        tool_use,
        tool_conversation,
        count_tokens,
        errors,
        error_in_a_stream,
    )
}

if __name__ == "__main__":
    run(anthropic.__version__, CHECKS)
