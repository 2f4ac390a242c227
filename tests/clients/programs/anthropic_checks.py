"""Anthropic's own package on ``/v1/messages``: all that ``tests/sdk`` holds it to, a tool loop, keys and leaving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import anthropic
from pydantic import BaseModel

from tests.clients.programs.checking import QUESTION, Endless, Slow, Weather, raises, run
from tests.clients.programs.sdk import sdk_check
from tests.clients.programs.stage import Stage
from tests.sdk import anthropic_checks as sdk


class Sky(BaseModel):
    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


def client(stage: Stage, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(**{"base_url": stage.url, "api_key": stage.key, "max_retries": 0, **options})


def asked(prompt: str) -> Any:
    return [{"role": "user", "content": prompt}]


def stream_as_it_is_written(stage: Stage) -> None:
    slow = Slow(stage)
    with (
        client(stage) as opened,
        opened.messages.stream(model=stage.scripted, max_tokens=500, messages=asked(slow.prompt)) as stream,
    ):
        for text in stream.text_stream:
            slow.see(text)
    slow.check()


def tool_runner(stage: Stage) -> None:
    """The package's own loop: it calls the function and sends its result back."""
    weather = Weather()

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Say what the weather is like.

        Args:
            city: Name of the city
        """
        return weather.look(city)

    with client(stage) as opened:
        runner = opened.beta.messages.tool_runner(
            model=stage.scripted, max_tokens=500, messages=asked(weather.prompt()), tools=[get_weather]
        )
        final = runner.until_done()
    weather.check("".join(block.text for block in final.content if block.type == "text"))


def parse(stage: Stage) -> None:
    with client(stage) as opened:
        reply = opened.messages.parse(
            model=stage.real,
            max_tokens=500,
            messages=asked(QUESTION),
            thinking={"type": "disabled"},
            output_format=Sky,
        )
    assert isinstance(reply.parsed_output, Sky)


def wrong_key(stage: Stage) -> None:
    with client(stage, api_key="wrong") as opened, raises(anthropic.AuthenticationError, "401"):
        opened.messages.create(model=stage.scripted, max_tokens=5, messages=asked("x"))


def leave(stage: Stage) -> None:
    endless = Endless(stage)
    with client(stage) as opened:
        with opened.messages.stream(model=stage.scripted, max_tokens=1500, messages=asked(endless.prompt)) as stream:
            for number, _ in enumerate(stream.text_stream):
                if number == 5:
                    break
        endless.check()


def of_sdk(*names: str) -> list[Callable[[Stage], None]]:
    return [sdk_check(sdk.CHECKS[name]) for name in names]


CHECKS: dict[str, list[Callable[[Stage], None]]] = {
    "plain": of_sdk("create", "stop_sequences", "the_limit", "count_tokens"),
    "streaming": [*of_sdk("create_async", "stream", "stream_helper"), stream_as_it_is_written],
    "tools": [*of_sdk("tool_use", "tool_conversation"), tool_runner],
    "structured": [parse],
    "errors": [*of_sdk("errors", "error_in_a_stream"), wrong_key],
    "cancel": [leave],
}
LISTED = {check.__name__ for each in CHECKS.values() for check in each}
assert set(sdk.CHECKS) <= LISTED, f"no column has {set(sdk.CHECKS) - LISTED}"

if __name__ == "__main__":
    run(anthropic.__version__, CHECKS)
