"""instructor: typed answers, by a forced call and by a schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel

from tests.clients.programs.checking import QUESTION, Endless, Slow, calls, left, run, says
from tests.clients.programs.stage import Stage

NO_THINKING: Any = {"chat_template_kwargs": {"enable_thinking": False}}


class Sky(BaseModel):
    city: Literal["Paris", "Rome"]
    kind: Literal["sunny", "rainy"]


class Note(BaseModel):
    text: str


def client(stage: Stage, mode: instructor.Mode = instructor.Mode.TOOLS, **options: Any) -> Any:
    given = {"base_url": stage.api, "api_key": stage.key, "max_retries": 0, **options}
    return instructor.from_openai(openai.OpenAI(**given), mode=mode)


def asked(prompt: str) -> Any:
    return [{"role": "user", "content": prompt}]


def no_model(stage: Stage) -> None:
    reply = client(stage).create(model=stage.scripted, messages=asked(says("你好")), response_model=None)
    assert reply.choices[0].message.content == "你好"


def parts_of_an_object(stage: Stage) -> None:
    """Asynchronous: this release's synchronous ``create_partial`` collects all parts before it gives out the first."""
    text = "one two three four five six seven eight nine ten. " * 3
    slow = Slow(stage, f'{{"text": "{text}"}}')

    async def ask() -> None:
        last = ""
        async for part in _parts(stage, slow.prompt):
            slow.see((part.text or "").removeprefix(last))
            last = part.text or ""

    asyncio.run(ask())
    slow.text = text
    slow.check()


def parts_of_a_call(stage: Stage) -> None:
    *_, last = client(stage).create_partial(
        model=stage.scripted, messages=asked(calls("Note", text="你好")), response_model=Note
    )
    assert last.text == "你好"


def _parts(stage: Stage, prompt: str) -> Any:
    opened = openai.AsyncOpenAI(base_url=stage.api, api_key=stage.key, max_retries=0)
    given: Any = instructor.from_openai(opened, mode=instructor.Mode.JSON_SCHEMA)
    return given.create_partial(model=stage.scripted, messages=asked(prompt), response_model=Note)


def a_call_against_the_model_s_will(stage: Stage) -> None:
    _hot(stage, instructor.Mode.TOOLS)


def a_schema_against_the_model_s_will(stage: Stage) -> None:
    _hot(stage, instructor.Mode.JSON_SCHEMA)


def _hot(stage: Stage, mode: instructor.Mode) -> None:
    reply = client(stage, mode).create(
        model=stage.real,
        messages=asked(QUESTION),
        response_model=Sky,
        max_retries=0,
        extra_body=NO_THINKING,
    )
    assert isinstance(reply, Sky)


def errors(stage: Stage) -> None:
    """The package's error is its own; its cause says what it is about."""
    for kind, given, model in (
        (openai.AuthenticationError, client(stage, api_key="wrong"), stage.scripted),
        (openai.NotFoundError, client(stage), "nobody"),
    ):
        cause: BaseException | None = None
        try:
            given.create(model=model, messages=asked("x"), response_model=Sky, max_retries=1)
        except InstructorRetryException as error:
            cause = error.__cause__
        assert isinstance(cause, kind), f"the cause is {cause!r}, not {kind.__name__}"


def leave(stage: Stage) -> None:
    endless = Endless(stage)
    text = '{"text": "one two three four five six seven eight nine ten eleven twelve'
    prompt = says(text, tag=endless.tag, hang_after=24, delay_ms=20)

    async def consume(some: Callable[[], None]) -> None:
        async for part in _parts(stage, prompt):
            if part.text:
                some()

    asyncio.run(left(consume, endless))


if __name__ == "__main__":
    run(
        version("instructor"),
        {
            "plain": no_model,
            "streaming": [parts_of_an_object, parts_of_a_call],
            "structured": [a_call_against_the_model_s_will, a_schema_against_the_model_s_will],
            "errors": errors,
            "cancel": leave,
        },
    )
