"""pydantic-ai, over chat completions or over responses (``API`` says which): agents, tools, typed output."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.programs.checking import QUESTION, Endless, Slow, Weather, raises, run, says
from tests.clients.programs.stage import Stage

MODELS = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}
NO_THINKING: Any = {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}


class Sky(BaseModel):
    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


def agent(stage: Stage, model: str = "", key: str = "", **options: Any) -> Agent[None, Any]:
    provider = OpenAIProvider(base_url=stage.api, api_key=key or stage.key)
    chosen: Any = MODELS[os.environ["API"]](model or stage.scripted, provider=provider)
    return Agent(chosen, **options)


def plain(stage: Stage) -> None:
    result = agent(stage, instructions="Be brief.").run_sync(says("你好, world"))
    assert result.output == "你好, world"


def stream(stage: Stage) -> None:
    slow = Slow(stage)

    async def ask() -> None:
        async with agent(stage).run_stream(slow.prompt) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                slow.see(piece)

    asyncio.run(ask())
    slow.check()


def tool(stage: Stage) -> None:
    weather = Weather()
    asked = agent(stage)
    asked.tool_plain(name="get_weather")(weather.look)
    weather.check(asked.run_sync(weather.prompt()).output)


def tool_streamed(stage: Stage) -> None:
    weather = Weather()
    asked = agent(stage)
    asked.tool_plain(name="get_weather")(weather.look)

    async def ask() -> Any:
        async with asked.run_stream(weather.prompt()) as result:
            return await result.get_output()

    weather.check(asyncio.run(ask()))


def native(stage: Stage) -> None:
    reply = agent(stage, stage.real, output_type=NativeOutput(Sky), retries=0).run_sync(
        QUESTION, model_settings=NO_THINKING
    )
    assert isinstance(reply.output, Sky)


def by_a_call(stage: Stage) -> None:
    """The package's default: a tool that the model must call."""
    reply = agent(stage, stage.real, output_type=ToolOutput(Sky), retries=0).run_sync(
        QUESTION, model_settings=NO_THINKING
    )
    assert isinstance(reply.output, Sky)


def errors(stage: Stage) -> None:
    for status, options in ((401, {"key": "wrong"}), (404, {"model": "nobody"})):
        with raises(ModelHTTPError, f"status_code: {status}"):
            agent(stage, **options).run_sync("x")


def leave(stage: Stage) -> None:
    endless = Endless(stage)

    async def ask() -> None:
        async with agent(stage).run_stream(endless.prompt) as result:
            seen = 0
            async for _ in result.stream_text(delta=True, debounce_by=None):
                seen += 1
                if seen == 5:
                    break
        await asyncio.to_thread(endless.check)

    asyncio.run(ask())


if __name__ == "__main__":
    run(
        version("pydantic-ai-slim"),
        {
            "plain": plain,
            "streaming": stream,
            "tools": [tool, tool_streamed],
            "structured": [native, by_a_call],
            "errors": errors,
            "cancel": leave,
        },
    )
