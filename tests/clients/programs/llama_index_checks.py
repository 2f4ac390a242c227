"""LlamaIndex: its LLM for services like OpenAI's, and an agent whose tool is really called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal

import openai
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from tests.clients.programs.checking import QUESTION, Endless, Slow, Weather, left, raises, run, says
from tests.clients.programs.stage import Stage


class Sky(BaseModel):
    """What the sky looks like."""

    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


def llm(stage: Stage, **options: Any) -> OpenAILike:
    given = {
        "model": stage.scripted,
        "api_base": stage.api,
        "api_key": stage.key,
        "is_chat_model": True,
        "is_function_calling_model": True,
        "should_use_structured_outputs": True,
        "context_window": 2048,
        "max_retries": 0,
    }
    return OpenAILike(**{**given, **options})


def chat(stage: Stage) -> None:
    reply = llm(stage).chat([ChatMessage(role="user", content=says("你好, world"))])
    assert reply.message.content == "你好, world"


def complete(stage: Stage) -> None:
    """On ``/v1/completions``."""
    assert llm(stage, is_chat_model=False).complete(says("你好, world")).text == "你好, world"


def stream(stage: Stage) -> None:
    slow = Slow(stage)
    for part in llm(stage).stream_chat([ChatMessage(role="user", content=slow.prompt)]):
        slow.see(part.delta)
    slow.check()


def agent(stage: Stage) -> None:
    weather = Weather()

    def get_weather(city: str) -> str:
        """Say what the weather is like in a city."""
        return weather.look(city)

    async def ask() -> tuple[str, str]:
        # A tool that is a function of this thread: the agent's own default puts it into another one.
        agent = FunctionAgent(tools=[FunctionTool.from_defaults(fn=get_weather)], llm=llm(stage))
        handler = agent.run(weather.prompt())
        streamed = "".join([event.delta async for event in handler.stream_events() if isinstance(event, AgentStream)])
        return str(await handler), streamed

    answer, streamed = asyncio.run(ask())
    weather.check(answer)
    weather.check(streamed)


def structured(stage: Stage) -> None:
    real = llm(
        stage,
        model=stage.real,
        additional_kwargs={"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
    )
    for use_schema in (True, False):
        real.should_use_structured_outputs = use_schema
        reply = real.as_structured_llm(Sky).chat([ChatMessage(role="user", content=QUESTION)])
        assert isinstance(reply.raw, Sky), f"should_use_structured_outputs={use_schema}: {reply!r}"


def errors(stage: Stage) -> None:
    asked = [ChatMessage(role="user", content="x")]
    with raises(openai.AuthenticationError, "401"):
        llm(stage, api_key="wrong").chat(asked)
    with raises(openai.NotFoundError, "nobody"):
        llm(stage, model="nobody").chat(asked)


def leave(stage: Stage) -> None:
    endless = Endless(stage)

    async def consume(some: Callable[[], None]) -> None:
        async for part in await llm(stage).astream_chat([ChatMessage(role="user", content=endless.prompt)]):
            if part.delta:
                some()

    asyncio.run(left(consume, endless))


if __name__ == "__main__":
    run(
        version("llama-index-llms-openai-like"),
        {
            "plain": [chat, complete],
            "streaming": stream,
            "tools": agent,
            "structured": structured,
            "errors": errors,
            "cancel": leave,
        },
    )
