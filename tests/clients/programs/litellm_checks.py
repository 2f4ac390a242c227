"""litellm as a client: the provider ``openai/`` with our address."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import version
from typing import Any, Literal

import litellm
from pydantic import BaseModel

from tests.clients.programs.checking import QUESTION, Endless, Slow, Weather, raises, run, says
from tests.clients.programs.stage import Stage

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Say what the weather is like in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Sky(BaseModel):
    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


def ask(stage: Stage, messages: Any, **options: Any) -> Any:
    given = {"model": f"openai/{stage.scripted}", "api_base": stage.api, "api_key": stage.key, "num_retries": 0}
    messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return litellm.completion(**{**given, **options}, messages=messages)


def completion(stage: Stage) -> None:
    reply = ask(stage, says("你好, world"))
    assert reply.choices[0].message.content == "你好, world"
    assert reply.usage.completion_tokens > 0


def acompletion(stage: Stage) -> None:
    async def both() -> str:
        reply = await litellm.acompletion(
            model=f"openai/{stage.scripted}",
            api_base=stage.api,
            api_key=stage.key,
            messages=[{"role": "user", "content": says("你好")}],
        )
        return str(reply.choices[0].message.content)

    assert asyncio.run(both()) == "你好"


def stream(stage: Stage) -> None:
    slow = Slow(stage)
    usage = None
    for chunk in ask(stage, slow.prompt, stream=True, stream_options={"include_usage": True}):
        slow.see(chunk.choices[0].delta.content if chunk.choices else None)
        usage = getattr(chunk, "usage", None) or usage
    slow.check()
    assert usage is not None
    assert usage.completion_tokens > 20


def tools(stage: Stage) -> None:
    _loop(stage, stream=False)


def tools_streamed(stage: Stage) -> None:
    _loop(stage, stream=True)


def _loop(stage: Stage, *, stream: bool) -> None:
    weather = Weather()
    messages: list[Any] = [{"role": "user", "content": weather.prompt()}]
    for _ in range(2):
        reply = ask(stage, messages, tools=[TOOL], stream=stream)
        if stream:
            reply = litellm.stream_chunk_builder(list(reply), messages=messages)
        message = reply.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            assert call.function.name == "get_weather"
            result = weather.look(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    weather.check(message.content)


def structured(stage: Stage) -> None:
    reply = ask(
        stage,
        QUESTION,
        model=f"openai/{stage.real}",
        response_format=Sky,
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    Sky.model_validate_json(reply.choices[0].message.content)


def errors(stage: Stage) -> None:
    with raises(litellm.AuthenticationError):
        ask(stage, "x", api_key="wrong")
    with raises(litellm.NotFoundError, "nobody"):
        ask(stage, "x", model="openai/nobody")
    with raises(litellm.ContextWindowExceededError):
        ask(stage, "word " * 3000)


def error_in_a_stream(stage: Stage) -> None:
    prompt = says("one two three four", error_after=3, delay_ms=20, error="the engine broke")
    with raises(litellm.exceptions.MidStreamFallbackError, "the engine broke"):
        list(ask(stage, prompt, stream=True))


def leave(stage: Stage) -> None:
    endless = Endless(stage)
    chunks = ask(stage, endless.prompt, stream=True)
    for number, _ in enumerate(chunks):
        if number == 5:
            break
    chunks.completion_stream.close()
    endless.check()


if __name__ == "__main__":
    run(
        version("litellm"),
        {
            "plain": [completion, acompletion],
            "streaming": stream,
            "tools": [tools, tools_streamed],
            "structured": structured,
            "errors": [errors, error_in_a_stream],
            "cancel": leave,
        },
    )
