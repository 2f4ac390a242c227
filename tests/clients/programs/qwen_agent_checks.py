"""Qwen-Agent, which can write and read tool calls itself (its default) or leave that to the gateway (``CALLS``)."""

from __future__ import annotations

import gc
import json
import os
from importlib.metadata import version
from typing import Any

from qwen_agent.agents import FnCallAgent
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.base import ModelServiceError
from qwen_agent.tools.base import BaseTool

from tests.clients.programs.checking import Endless, Slow, Weather, raises, run, says
from tests.clients.programs.stage import Stage

NATIVE = os.environ["CALLS"] == "native"


def given(stage: Stage, **options: Any) -> dict[str, Any]:
    """The package takes ``use_raw_api`` for: send tools as tools."""
    return {
        "model": stage.scripted,
        "model_type": "oai",
        "model_server": stage.api,
        "api_key": stage.key,
        "generate_cfg": {"use_raw_api": NATIVE, "max_retries": 0},
        **options,
    }


def asked(prompt: str) -> Any:
    return [{"role": "user", "content": prompt}]


def plain(stage: Stage) -> None:
    """Its native way is streamed alone."""
    if NATIVE:
        *_, last = get_chat_model(given(stage)).chat(asked(says("你好, world")))
    else:
        last = get_chat_model(given(stage)).chat(asked(says("你好, world")), stream=False)
    assert [message["content"] for message in last] == ["你好, world"]


def stream(stage: Stage) -> None:
    slow = Slow(stage)
    last = ""
    for messages in get_chat_model(given(stage)).chat(asked(slow.prompt), stream=True):
        text = messages[-1]["content"] if messages else ""
        slow.see(text.removeprefix(last))
        last = text
    slow.check()


def tool(stage: Stage) -> None:
    weather = Weather()

    class GetWeather(BaseTool):
        name = "get_weather"
        description = "Say what the weather is like in a city."
        parameters = {  # noqa: RUF012 - the package's own way to declare them
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }

        def call(self, params: str | dict[str, Any], **_: Any) -> str:
            return weather.look(**(json.loads(params) if isinstance(params, str) else params))

    agent = FnCallAgent(function_list=[GetWeather()], llm=given(stage), system_message="Be brief.")
    *_, last = agent.run(asked(weather.prompt()))
    assert [message["role"] for message in last] == ["assistant", "function", "assistant"]
    weather.check(last[-1]["content"])


def errors(stage: Stage) -> None:
    for words, options in ((("401",), {"api_key": "wrong"}), (("404", "nobody"), {"model": "nobody"})):
        with raises(ModelServiceError, *words):
            list(get_chat_model(given(stage, **options)).chat(asked("x"), stream=True))


def leave(stage: Stage) -> None:
    endless = Endless(stage)
    parts = get_chat_model(given(stage)).chat(asked(endless.prompt), stream=True)
    for number, _ in enumerate(parts):
        if number == 5:
            break
    parts.close()
    gc.collect()  # its own frames hold the stream in a cycle: before they are collected nobody has left
    endless.check()


if __name__ == "__main__":
    run(
        version("qwen-agent"),
        {"plain": plain, "streaming": stream, "tools": tool, "errors": errors, "cancel": leave},
    )
