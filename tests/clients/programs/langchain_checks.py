"""LangChain: its chat model for OpenAI's API, and an agent whose tool is really called."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any, Literal

import openai
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.clients.programs.checking import QUESTION, Endless, Slow, Weather, raises, run, says
from tests.clients.programs.stage import Stage


class Sky(BaseModel):
    """What the sky looks like."""

    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


def chat(stage: Stage, **options: Any) -> ChatOpenAI:
    given = {"model": stage.scripted, "base_url": stage.api, "api_key": SecretStr(stage.key), "max_retries": 0}
    return ChatOpenAI(**{**given, **options})


def invoke(stage: Stage) -> None:
    reply = chat(stage).invoke(says("你好, world"))
    assert reply.content == "你好, world"
    assert reply.usage_metadata
    assert reply.usage_metadata["output_tokens"] > 0


def invoke_on_responses(stage: Stage) -> None:
    assert chat(stage, use_responses_api=True).invoke(says("你好, world")).text == "你好, world"


def batch(stage: Stage) -> None:
    replies = chat(stage).batch([says("one"), says("two"), says("three")])
    assert [reply.content for reply in replies] == ["one", "two", "three"]


def stream(stage: Stage) -> None:
    slow = Slow(stage)
    whole: Any = None
    for chunk in chat(stage, stream_usage=True).stream(slow.prompt):
        slow.see(chunk.text)
        whole = chunk if whole is None else whole + chunk
    slow.check()
    assert whole.usage_metadata["output_tokens"] > 0


def stream_async(stage: Stage) -> None:
    async def ask() -> str:
        return "".join([chunk.text async for chunk in chat(stage).astream(says("你好, world"))])

    assert asyncio.run(ask()) == "你好, world"


def agent(stage: Stage) -> None:
    weather = Weather()
    state = _agent(weather, chat(stage)).invoke({"messages": [{"role": "user", "content": weather.prompt()}]})
    weather.check(state["messages"][-1].content)
    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai"]


def agent_streamed(stage: Stage) -> None:
    weather = Weather()
    said = ""
    for chunk, where in _agent(weather, chat(stage)).stream(
        {"messages": [{"role": "user", "content": weather.prompt()}]}, stream_mode="messages"
    ):
        if where["langgraph_node"] == "model":
            said += chunk.text
    weather.check(said)


def _agent(weather: Weather, model: ChatOpenAI) -> Any:
    @tool
    def get_weather(city: str) -> str:
        """Say what the weather is like in a city."""
        return weather.look(city)

    return create_agent(model, tools=[get_weather], system_prompt="You are brief.")


def structured(stage: Stage) -> None:
    for method in ("json_schema", "function_calling"):
        model = chat(stage, model=stage.real, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
        reply = model.with_structured_output(Sky, method=method).invoke(QUESTION)
        assert isinstance(reply, Sky), f"{method}: {reply!r}"


def errors(stage: Stage) -> None:
    with raises(openai.AuthenticationError, "401"):
        chat(stage, api_key=SecretStr("wrong")).invoke("x")
    with raises(openai.NotFoundError, "nobody"):
        chat(stage, model="nobody").invoke("x")
    with raises(openai.BadRequestError, "context"):
        chat(stage).invoke("word " * 3000)


def error_in_a_stream(stage: Stage) -> None:
    with raises(openai.APIError, "the engine broke"):
        list(chat(stage).stream(says("one two three four", error_after=3, delay_ms=20, error="the engine broke")))


def leave(stage: Stage) -> None:
    endless = Endless(stage)
    chunks = chat(stage).stream(endless.prompt)
    for number, _ in enumerate(chunks):
        if number == 5:
            break
    chunks.close()
    endless.check()


if __name__ == "__main__":
    run(
        version("langchain-openai"),
        {
            "plain": [invoke, invoke_on_responses, batch],
            "streaming": [stream, stream_async],
            "tools": [agent, agent_streamed],
            "structured": structured,
            "errors": [errors, error_in_a_stream],
            "cancel": leave,
        },
    )
