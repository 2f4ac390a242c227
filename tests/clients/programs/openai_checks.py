"""OpenAI's own package, whatever version is installed: all that ``tests/sdk`` holds it to, then keys and leaving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import openai
from pydantic import BaseModel

from tests.clients.programs.checking import QUESTION, Endless, Slow, raises, run
from tests.clients.programs.sdk import sdk_check
from tests.clients.programs.stage import Stage
from tests.sdk import openai_checks as sdk

NO_THINKING: Any = {"chat_template_kwargs": {"enable_thinking": False}}


class Sky(BaseModel):
    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


def client(stage: Stage, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": stage.api, "api_key": stage.key, "max_retries": 0, **options})


def asked(prompt: str) -> Any:
    return [{"role": "user", "content": prompt}]


def stream_as_it_is_written(stage: Stage) -> None:
    slow = Slow(stage)
    with client(stage) as opened:
        for chunk in opened.chat.completions.create(model=stage.scripted, messages=asked(slow.prompt), stream=True):
            slow.see(chunk.choices[0].delta.content)
    slow.check()


def a_form_against_the_model_s_will(stage: Stage) -> None:
    with client(stage) as opened:
        reply = opened.chat.completions.parse(
            model=stage.real, messages=asked(QUESTION), response_format=Sky, extra_body=NO_THINKING
        )
    assert isinstance(reply.choices[0].message.parsed, Sky)


def wrong_key(stage: Stage) -> None:
    with client(stage, api_key="wrong") as opened, raises(openai.AuthenticationError, "401"):
        opened.chat.completions.create(model=stage.scripted, messages=asked("x"))


def leave(stage: Stage) -> None:
    endless = Endless(stage)
    with client(stage) as opened:
        stream = opened.chat.completions.create(model=stage.scripted, messages=asked(endless.prompt), stream=True)
        for number, _ in enumerate(stream):
            if number == 5:
                break
        stream.close()
        endless.check()


def of_sdk(*names: str) -> list[Callable[[Stage], None]]:
    return [sdk_check(sdk.CHECKS[name]) for name in names]


CHECKS = {
    "plain": of_sdk(
        "create", "create_async", "completions", "models", "logprobs", "extra_body", "responses", "raw_response"
    ),
    "streaming": [
        *of_sdk("stream", "stream_with_usage", "stream_helper", "stream_helper_with_two_choices"),
        stream_as_it_is_written,
    ],
    "tools": of_sdk("tool_calls", "tool_calls_streamed", "tool_conversation", "responses_tools"),
    "structured": [*of_sdk("parse", "responses_parse"), a_form_against_the_model_s_will],
    "errors": [*of_sdk("errors", "error_in_a_stream", "retries"), wrong_key],
    "cancel": [leave],
}
assert {check.__name__ for each in CHECKS.values() for check in each} >= set(sdk.CHECKS), (
    "a check of tests/sdk is missing"
)

if __name__ == "__main__":
    run(openai.__version__, CHECKS)
