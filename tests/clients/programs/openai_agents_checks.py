"""OpenAI's agents package, over chat completions or over responses (``API`` says which)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from importlib.metadata import version
from typing import Any, Literal

import openai
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from pydantic import BaseModel

from tests.clients.programs.checking import QUESTION, Endless, Slow, Weather, raises, run, says
from tests.clients.programs.stage import Stage

MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


class Sky(BaseModel):
    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


def agent(stage: Stage, model: str = "", key: str = "", **options: Any) -> Agent:
    """The client is of this event loop, so each check makes one."""
    client = openai.AsyncOpenAI(base_url=stage.api, api_key=key or stage.key, max_retries=0)
    chosen: Any = MODELS[os.environ["API"]](model or stage.scripted, client)
    return Agent(name="A", model=chosen, **options)


def ran(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


def plain(stage: Stage) -> None:
    result = ran(Runner.run(agent(stage, instructions="Be brief."), says("你好, world")))
    assert result.final_output == "你好, world"
    assert result.context_wrapper.usage.output_tokens > 0


def stream(stage: Stage) -> None:
    slow = Slow(stage)

    async def ask() -> Any:
        result = Runner.run_streamed(agent(stage), slow.prompt)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                slow.see(event.data.delta)
        return result.final_output

    assert ran(ask()).strip() == slow.text.strip()
    slow.check()


def _with_tool(stage: Stage, weather: Weather) -> Agent:
    @function_tool
    def get_weather(city: str) -> str:
        """Say what the weather is like in a city."""
        return weather.look(city)

    return agent(stage, tools=[get_weather])


def tool(stage: Stage) -> None:
    weather = Weather()
    weather.check(ran(Runner.run(_with_tool(stage, weather), weather.prompt())).final_output)


def tool_streamed(stage: Stage) -> None:
    weather = Weather()

    async def ask() -> Any:
        result = Runner.run_streamed(_with_tool(stage, weather), weather.prompt())
        kinds = [event.item.type async for event in result.stream_events() if event.type == "run_item_stream_event"]
        assert kinds == ["tool_call_item", "tool_call_output_item", "message_output_item"], kinds
        return result.final_output

    weather.check(ran(ask()))


def structured(stage: Stage) -> None:
    settings = ModelSettings(extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    asked = agent(stage, stage.real, output_type=Sky, model_settings=settings)
    assert isinstance(ran(Runner.run(asked, QUESTION)).final_output, Sky)


def errors(stage: Stage) -> None:
    with raises(openai.AuthenticationError, "401"):
        ran(Runner.run(agent(stage, key="wrong"), "x"))
    with raises(openai.NotFoundError, "nobody"):
        ran(Runner.run(agent(stage, "nobody"), "x"))


def leave(stage: Stage) -> None:
    endless = Endless(stage)

    async def ask() -> None:
        result = Runner.run_streamed(agent(stage), endless.prompt)
        seen = 0
        async for event in result.stream_events():
            seen += event.type == "raw_response_event"
            if seen == 8:
                result.cancel()
        await asyncio.to_thread(endless.check)

    ran(ask())


if __name__ == "__main__":
    set_tracing_disabled(True)
    run(
        version("openai-agents"),
        {
            "plain": plain,
            "streaming": stream,
            "tools": [tool, tool_streamed],
            "structured": structured,
            "errors": errors,
            "cancel": leave,
        },
    )
