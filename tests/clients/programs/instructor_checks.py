"""instructor: typed answers, by a forced call and by a schema."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Literal

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel

from tests.clients.programs.checking import QUESTION, Endless, Slow, calls, raises, run, says
from tests.clients.programs.stage import Stage

NO_THINKING: Any = {"chat_template_kwargs": {"enable_thinking": False}}


class Sky(BaseModel):
    city: str
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
    text = "one two three four five six seven eight nine ten. " * 3
    slow = Slow(stage, f'{{"text": "{text}"}}')
    last = ""
    for part in client(stage, instructor.Mode.JSON_SCHEMA).create_partial(
        model=stage.scripted, messages=asked(slow.prompt), response_model=Note
    ):
        slow.see((part.text or "").removeprefix(last))
        last = part.text or ""
    slow.text = text
    slow.check()


def parts_of_a_call(stage: Stage) -> None:
    *_, last = client(stage).create_partial(
        model=stage.scripted, messages=asked(calls("Note", text="你好")), response_model=Note
    )
    assert last.text == "你好"


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


def wrong_key(stage: Stage) -> None:
    _fails(stage, client(stage, api_key="wrong"), stage.scripted, openai.AuthenticationError)


def unknown_model(stage: Stage) -> None:
    _fails(stage, client(stage), "nobody", openai.NotFoundError)


def _fails(stage: Stage, given: Any, model: str, kind: type[Exception]) -> None:
    """The package's error is its own; what it is about is its cause."""
    try:
        given.create(model=model, messages=asked("x"), response_model=Sky, max_retries=0)
    except InstructorRetryException as error:
        causes = [error.__cause__, *(attempt.exception for attempt in error.failed_attempts or ())]
        assert any(isinstance(cause, kind) for cause in causes), f"{error!r} has no {kind.__name__}: {causes}"
    except kind:
        pass
    else:
        raise AssertionError("no error came")


def leave(stage: Stage) -> None:
    endless = Endless(stage)
    text = '{"text": "one two three four five six seven eight nine ten'
    prompt = says(text, tag=endless.tag, hang_after=12, delay_ms=20)
    parts = client(stage, instructor.Mode.JSON_SCHEMA).create_partial(
        model=stage.scripted, messages=asked(prompt), response_model=Note
    )
    for part in parts:
        if part.text:
            break
    parts.close()
    endless.check()


if __name__ == "__main__":
    run(
        version("instructor"),
        {
            "plain": no_model,
            "streaming": [parts_of_an_object, parts_of_a_call],
            "structured": [a_call_against_the_model_s_will, a_schema_against_the_model_s_will],
            "errors": [wrong_key, unknown_model],
            "cancel": leave,
        },
    )
