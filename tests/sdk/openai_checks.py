"""What the real openai package must be able to read, as checks that run in a process of their own.

``python -m tests.sdk.openai_checks GATEWAY_URL DEAD_GATEWAY_URL`` runs them with whatever version stands first on the
path, and prints a JSON object per check. It must not use what only one of the tested versions has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

from loadtest.engine.script import Script, script_text
from tests.sdk.running import Gateways, run

CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "巴黎"}}\n</tool_call>'
SECOND = '<tool_call>\n{"name": "get_time", "arguments": {"city": "Paris", "zone": 1}}\n</tool_call>'
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in ("get_weather", "get_time")
]


def client(gateways: Gateways, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateways.url}/v1", api_key=gateways.key, **{"max_retries": 0, **options})


def says(text: str, **more: Any) -> Any:
    return [{"role": "user", "content": script_text(Script(text=text, **more))}]


def create(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.chat.completions.create(model="direct", messages=says("你好, world 😀"))
    assert reply.choices[0].message.content == "你好, world 😀"
    assert (reply.object, reply.choices[0].finish_reason) == ("chat.completion", "stop")
    assert reply.choices[0].message.refusal is None
    assert reply.usage
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply._request_id


def create_async(gateways: Gateways) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=f"{gateways.url}/v1", api_key=gateways.key, max_retries=0) as sdk:
            whole = await sdk.chat.completions.create(model="direct", messages=says("你好"))
            assert whole.choices[0].message.content == "你好"
            stream = await sdk.chat.completions.create(model="direct", messages=says("你好"), stream=True)
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "你好"

    asyncio.run(ask())


def stream(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        chunks = list(sdk.chat.completions.create(model="direct", messages=says("你好, world"), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "你好, world"
    assert chunks[-1].choices[0].finish_reason == "stop"


def stream_with_usage(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        asked: Any = {"include_usage": True}
        chunks = list(
            sdk.chat.completions.create(model="direct", messages=says("one"), stream=True, stream_options=asked)
        )
    *before, last = chunks
    assert (last.choices, [chunk.usage for chunk in before]) == ([], [None] * len(before))
    assert last.usage
    assert last.usage.completion_tokens > 0


def stream_helper(gateways: Gateways) -> None:
    with client(gateways) as sdk, sdk.chat.completions.stream(model="direct", messages=says("你好, world")) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert text == final.choices[0].message.content == "你好, world"
    assert final.choices[0].message.role == "assistant"


def stream_helper_with_two_choices(gateways: Gateways) -> None:
    with client(gateways) as sdk, sdk.chat.completions.stream(model="direct", messages=says("ab cd"), n=2) as stream:
        stream.until_done()
        final = stream.get_final_completion()
    assert [(choice.index, choice.message.content) for choice in final.choices] == [(0, "ab cd"), (1, "ab cd")]


def tool_calls(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.chat.completions.create(model="direct", messages=says(f"{CALL}\n{SECOND}"), tools=TOOLS)
    choice = reply.choices[0]
    calls: Any = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "巴黎"}, {"city": "Paris", "zone": 1}]
    assert len({call.id for call in calls}) == 2


def tool_calls_streamed(gateways: Gateways) -> None:
    asked = says(f"{CALL}\n{SECOND}")
    with client(gateways) as sdk, sdk.chat.completions.stream(model="direct", messages=asked, tools=TOOLS) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    done: Any = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [event.name for event in done] == ["get_weather", "get_time"]
    calls: Any = final.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "巴黎"}, {"city": "Paris", "zone": 1}]
    assert all(call.id.startswith("call_") and call.type == "function" for call in calls)
    assert final.choices[0].finish_reason == "tool_calls"


def tool_conversation(gateways: Gateways) -> None:
    """The reply of one turn is what the next turn sends back."""
    with client(gateways) as sdk:
        asked = says(CALL)
        first = sdk.chat.completions.create(model="direct", messages=asked, tools=TOOLS).choices[0].message
        calls: Any = first.tool_calls
        history: Any = [
            *asked,
            first.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"},
            *says("It is sunny."),
        ]
        second = sdk.chat.completions.create(model="direct", messages=history, tools=TOOLS)
    assert second.choices[0].message.content == "It is sunny."


def logprobs(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.chat.completions.create(model="direct", messages=says("你好, 聪"), logprobs=True)
        chunks = list(
            sdk.chat.completions.create(model="direct", messages=says("你好, 聪"), logprobs=True, stream=True)
        )
    whole: Any = reply.choices[0].logprobs
    parts = [token for chunk in chunks for token in (getattr(chunk.choices[0].logprobs, "content", None) or [])]
    for tokens in (whole.content, parts):
        assert bytes(byte for token in tokens for byte in token.bytes).decode() == "你好, 聪"
        assert all(token.logprob < 0 for token in tokens)
    assert [token.logprob for token in parts] == [token.logprob for token in whole.content]


def extra_body(gateways: Gateways) -> None:
    extra = {"top_k": 5, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}}
    with client(gateways) as sdk:
        reply = sdk.chat.completions.create(model="direct", messages=says("ok"), extra_body=extra)
    assert reply.choices[0].message.content == "ok"


class Weather(BaseModel):
    city: str
    kind: Literal["sunny", "rainy"]


def parse(gateways: Gateways) -> None:
    asked = says('{"city": "Paris", "kind": "sunny"}')
    with client(gateways) as sdk:
        reply = sdk.chat.completions.parse(model="direct", messages=asked, response_format=Weather)
        with sdk.chat.completions.stream(model="direct", messages=asked, response_format=Weather) as stream:
            stream.until_done()
            streamed = stream.get_final_completion()
    assert reply.choices[0].message.parsed == streamed.choices[0].message.parsed == Weather(city="Paris", kind="sunny")


def completions(gateways: Gateways) -> None:
    prompt = script_text(Script(text="你好"))
    with client(gateways) as sdk:
        reply = sdk.completions.create(model="direct", prompt=prompt)
        chunks = list(sdk.completions.create(model="direct", prompt=prompt, stream=True))
        both = sdk.completions.create(model="direct", prompt=[prompt, script_text(Script(text="two"))])
    assert (reply.object, reply.choices[0].text) == ("text_completion", "你好")
    assert "".join(chunk.choices[0].text for chunk in chunks) == "你好"
    assert [(choice.index, choice.text) for choice in both.choices] == [(0, "你好"), (1, "two")]


def models(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        listed = list(sdk.models.list())
        one = sdk.models.retrieve("direct")
    assert one in listed
    assert (one.object, one.id) == ("model", "direct")


def responses(gateways: Gateways) -> None:
    asked = script_text(Script(text="你好, world"))
    with client(gateways) as sdk:
        reply = sdk.responses.create(model="direct", input=asked)
        assert (reply.status, reply.output_text) == ("completed", "你好, world")
        with sdk.responses.stream(model="direct", input=asked) as stream:
            text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            final = stream.get_final_response()
    assert text == final.output_text == "你好, world"
    assert final.usage
    assert final.usage.output_tokens > 0


def responses_tools(gateways: Gateways) -> None:
    tool = {"type": "function", **TOOLS[0]["function"], "strict": False}
    asked = script_text(Script(text=CALL))
    with client(gateways) as sdk:
        reply: Any = sdk.responses.create(model="direct", input=asked, tools=[tool])  # type: ignore[list-item]
        with sdk.responses.stream(model="direct", input=asked, tools=[tool]) as stream:  # type: ignore[list-item]
            stream.until_done()
            final: Any = stream.get_final_response()
        for output in (reply.output, final.output):
            (call,) = [item for item in output if item.type == "function_call"]
            assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "巴黎"})
        history: Any = [
            {"role": "user", "content": asked},
            *[item.model_dump(exclude_none=True) for item in reply.output],
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
            {"role": "user", "content": script_text(Script(text="It is sunny."))},
        ]
        assert sdk.responses.create(model="direct", input=history).output_text == "It is sunny."


def responses_parse(gateways: Gateways) -> None:
    asked = script_text(Script(text='{"city": "Paris", "kind": "rainy"}'))
    with client(gateways) as sdk:
        reply = sdk.responses.parse(model="direct", input=asked, text_format=Weather)
    assert reply.output_parsed == Weather(city="Paris", kind="rainy")


def raw_response(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        raw = sdk.chat.completions.with_raw_response.create(model="direct", messages=says("ok"))
        assert raw.headers["x-request-id"]
        assert raw.headers["content-type"] == "application/json"
        assert raw.parse().choices[0].message.content == "ok"
        with sdk.chat.completions.with_streaming_response.create(
            model="direct", messages=says("ok"), stream=True
        ) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            assert list(reply.iter_lines())[-2:] == ["data: [DONE]", ""]


def errors(gateways: Gateways) -> None:
    cases: list[tuple[dict[str, Any], type[openai.APIStatusError], str | None, str | None]] = [
        ({"model": "nobody"}, openai.NotFoundError, "model_not_found", "model"),
        ({"temperature": 5}, openai.BadRequestError, None, "temperature"),
        (
            {"messages": [{"role": "user", "content": "word " * 3000}]},
            openai.BadRequestError,
            "context_length_exceeded",
            "messages",
        ),
    ]
    with client(gateways) as sdk:
        for fields, kind, code, param in cases:
            asked: dict[str, Any] = {"model": "direct", "messages": says("x"), **fields}
            with pytest.raises(kind) as caught:
                sdk.chat.completions.create(**asked)
            error = caught.value
            assert (error.param, error.type) == (param, "invalid_request_error"), error
            assert code in (None, error.code), error
            assert error.request_id


def error_in_a_stream(gateways: Gateways) -> None:
    asked = says("one two three four", error_after=3, delay_ms=20, error="the engine broke")
    got = []
    with client(gateways) as sdk:
        chunks = sdk.chat.completions.create(model="direct", messages=asked, stream=True)
        with pytest.raises(openai.APIError, match="the engine broke"):
            got.extend(chunk.choices[0].delta.content for chunk in chunks)
    assert any(got), "the text before the error was lost"


def retries(gateways: Gateways) -> None:
    """503 with Retry-After is asked again, as often as the client is told to; 400 is not."""
    before = gateways.watch.seen
    patient = openai.OpenAI(base_url=f"{gateways.dead}/v1", api_key="none", max_retries=1)
    with patient as sdk, pytest.raises(openai.InternalServerError) as caught:
        sdk.chat.completions.create(model="q", messages=says("x"))
    assert (caught.value.status_code, caught.value.code) == (503, "service_unavailable")
    assert caught.value.response.headers["retry-after"] == "1"
    assert gateways.watch.seen == before + 2
    with client(gateways, max_retries=2) as sdk, pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(model="direct", messages=says("x"), temperature=9)
    assert gateways.watch.seen == before + 3


CHECKS: dict[str, Callable[[Gateways], None]] = {
    check.__name__: check
    for check in (
        create,
        create_async,
        stream,
        stream_with_usage,
        stream_helper,
        stream_helper_with_two_choices,
        tool_calls,
        tool_calls_streamed,
        tool_conversation,
        logprobs,
        extra_body,
        parse,
        completions,
        models,
        responses,
        responses_tools,
        responses_parse,
        raw_response,
        errors,
        error_in_a_stream,
        retries,
    )
}

if __name__ == "__main__":
    run(openai.__version__, CHECKS)
