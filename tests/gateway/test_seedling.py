"""The whole way with a model whose text makes sense: thinking, tools, structured output, log-probabilities.

Greedy where an answer is compared, hot where a grammar must hold whatever the model would rather say.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.gateway.asking import ask
from tests.support.gateway import Gateway

ROUTES = ["direct", "ensemble", "bls"]
every_route = pytest.mark.parametrize("route", ROUTES)
both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
QUESTIONS = [
    "Hello!",
    "What is the default port of the gateway?",
    "How do I start the gateway?",
    "网关的默认端口是多少？",
]
NO_THINKING: Any = {"chat_template_kwargs": {"enable_thinking": False}}
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    },
}

TIME: Any = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "Get the current time in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def client(seedling: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=seedling.api, api_key="none", max_retries=0, timeout=60) as client:
        yield client


def message(client: OpenAI, stream: bool, content: str, **fields: Any) -> Any:
    request: Any = {"model": "direct", "messages": [{"role": "user", "content": content}], "max_tokens": 300, **fields}
    if not stream:
        return client.chat.completions.create(**request).choices[0].message
    with client.chat.completions.stream(**request) as events:
        return events.get_final_completion().choices[0].message


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_route_gives_the_same_sensible_answer(seedling: Gateway, question: str) -> None:
    fields: Any = {"temperature": 0, "max_tokens": 200, **NO_THINKING}
    answers = [ask(seedling, question, model=route, stream=s, **fields) for route in ROUTES for s in (True, False)]
    assert len({(answer.text, answer.reason, answer.usage["completion_tokens"]) for answer in answers}) == 1
    assert answers[0].reason == "stop"
    assert "9000" in answers[0].text or question in (QUESTIONS[0], QUESTIONS[2])
    assert "\ufffd" not in answers[0].text


@both
@every_route
def test_a_stop_string_from_the_middle(seedling: Gateway, route: str, stream: bool) -> None:
    fields: Any = {"model": route, "stream": stream, "temperature": 0, "max_tokens": 200, **NO_THINKING}
    whole = ask(seedling, QUESTIONS[3], **fields).text
    stop = whole[len(whole) // 2 :][:2]
    answer = ask(seedling, QUESTIONS[3], stop=stop, **fields)
    assert (answer.text, answer.reason) == (whole[: whole.index(stop)], "stop")


@both
@every_route
def test_thinking_is_a_field_of_its_own(client: OpenAI, route: str, stream: bool) -> None:
    fields: Any = {"model": route, "temperature": 0}
    on = message(
        client, stream, "What is 12 + 30?", extra_body={"chat_template_kwargs": {"enable_thinking": True}}, **fields
    )
    assert on.model_extra["reasoning_content"].strip()
    assert "42" in on.content
    assert "think>" not in on.content + on.model_extra["reasoning_content"]
    off = message(client, stream, "What is 12 + 30?", extra_body=NO_THINKING, **fields)
    assert "reasoning_content" not in (off.model_extra or {})
    assert "42" in off.content


@both
@every_route
@pytest.mark.parametrize(
    "choice",
    ["auto", "required", {"type": "function", "function": {"name": "get_time"}}],
    ids=["auto", "required", "named"],
)
def test_a_tool_is_called(client: OpenAI, route: str, stream: bool, choice: Any) -> None:
    fields: Any = {"model": route, "temperature": 0, "tools": [TIME], "tool_choice": choice, "extra_body": NO_THINKING}
    [call] = message(client, stream, "What time is it in Tokyo?", **fields).tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_time", {"city": "Tokyo"})


@pytest.mark.parametrize("thinking", [True, False], ids=["thinking", "at-once"])
def test_a_forced_call_keeps_its_schema_however_hot(client: OpenAI, thinking: bool) -> None:
    options: Any = {"chat_template_kwargs": {"enable_thinking": thinking}}
    for seed in range(5):
        reply = message(
            client,
            False,
            "Hello!",
            tools=[ADD],
            tool_choice="required",
            temperature=1.5,
            seed=seed,
            parallel_tool_calls=False,
            max_tokens=1000,
            extra_body=options,
        )
        [call] = reply.tool_calls
        arguments = json.loads(call.function.arguments)
        assert (call.function.name, set(arguments)) == ("add", {"a", "b"})
        assert all(type(value) is int for value in arguments.values())


@every_route
def test_a_form_beside_tools_leaves_calls_possible(client: OpenAI, route: str) -> None:
    body = {**NO_THINKING, "guided_regex": "=[0-9]{2}"}
    fields: Any = {"model": route, "tools": [TIME], "extra_body": body}
    [call] = message(client, False, "What time is it in Tokyo?", temperature=0, **fields).tool_calls
    assert call.function.name == "get_time"
    for seed in range(4):
        reply = message(client, False, "12 + 30?", temperature=2, seed=seed, **fields)
        assert reply.tool_calls or re.fullmatch("=[0-9]{2}", reply.content)


SCHEMA: Any = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "port": {"type": "integer"}},
    "required": ["name", "port"],
    "additionalProperties": False,
}


def is_object(text: str) -> bool:
    return isinstance(json.loads(text), dict)


def fits_schema(text: str) -> bool:
    value = json.loads(text)
    return set(value) == {"name", "port"} and type(value["port"]) is int


GUIDES = [
    pytest.param({"response_format": {"type": "json_object"}}, is_object, id="object"),
    pytest.param(
        {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}},
        fits_schema,
        id="schema",
    ),
    pytest.param({"guided_json": SCHEMA}, fits_schema, id="guided-json"),
    pytest.param({"guided_regex": "[a-c]{3}-[0-9]+"}, lambda text: re.fullmatch("[a-c]{3}-[0-9]+", text), id="regex"),
    pytest.param({"guided_choice": ["是的", 'no "way"']}, lambda text: text in ("是的", 'no "way"'), id="choice"),
    pytest.param(
        {"guided_grammar": 'root ::= "a" tail\ntail ::= "b" | "b" tail'}, lambda t: re.fullmatch("ab+", t), id="grammar"
    ),
]


@every_route
@pytest.mark.parametrize(("fields", "fits"), GUIDES)
def test_the_answer_has_the_form_that_was_asked_for(client: OpenAI, route: str, fields: Any, fits: Any) -> None:
    """Finished answers fit; one that the limit cut is no finished answer."""
    finished = 0
    for seed in range(3):
        body = {**NO_THINKING, **fields}
        request: Any = {"model": route, "messages": [{"role": "user", "content": "Tell me something."}], "seed": seed}
        reply = client.chat.completions.create(**request, temperature=1.5, max_tokens=400, extra_body=body).choices[0]
        if reply.finish_reason == "stop":
            finished += 1
            assert fits(reply.message.content), reply.message.content
    assert finished


AFTER_THINKING = [
    pytest.param({"guided_regex": "=[0-9]{2}"}, "=[0-9]{2}", id="regex"),
    pytest.param({"guided_choice": ["yes!", "no!"]}, "(yes|no)!", id="choice"),
    pytest.param({"guided_json": {"enum": ["red", "绿"]}}, '"(red|绿)"', id="schema"),
]


@both
@every_route
@pytest.mark.parametrize(("fields", "pattern"), AFTER_THINKING)
def test_with_thinking_the_form_is_for_what_comes_after(
    client: OpenAI, route: str, stream: bool, fields: Any, pattern: str
) -> None:
    body = {"chat_template_kwargs": {"enable_thinking": True}, **fields}
    reply = message(client, stream, "What is 12 + 30?", model=route, temperature=0, extra_body=body)
    assert reply.model_extra["reasoning_content"].strip()
    assert re.fullmatch(pattern, reply.content)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"guided_regex": "(["}, "guided_regex"),
        ({"guided_grammar": "root := nonsense"}, "guided_grammar"),
        ({"guided_json": {"type": "no such type"}}, "guided_json"),
    ],
    ids=["regex", "grammar", "schema"],
)
@both
def test_a_form_that_does_not_compile_is_the_client_s_error(
    client: OpenAI, fields: Any, param: str, stream: bool
) -> None:
    with pytest.raises(BadRequestError) as caught:
        message(client, stream, "x", extra_body={**NO_THINKING, **fields})
    assert caught.value.param == param
    assert message(client, stream, "Hello!", temperature=0, extra_body=NO_THINKING).content


@both
def test_log_probabilities_are_the_same_on_every_route(client: OpenAI, stream: bool) -> None:
    told = []
    for route in ROUTES:
        request: Any = {"model": route, "temperature": 0, "logprobs": True, "extra_body": NO_THINKING}
        request["messages"] = [{"role": "user", "content": QUESTIONS[3]}]
        if stream:
            chunks = list(client.chat.completions.create(stream=True, **request))
            entries = [e for c in chunks for choice in c.choices if choice.logprobs for e in choice.logprobs.content]
            text = "".join(choice.delta.content or "" for c in chunks for choice in c.choices)
        else:
            choice = client.chat.completions.create(**request).choices[0]
            entries, text = choice.logprobs.content, choice.message.content
        assert b"".join(bytes(entry.bytes) for entry in entries).decode() == text
        assert all(entry.logprob <= 1e-4 and math.isfinite(entry.logprob) for entry in entries)
        told.append([round(entry.logprob, 3) for entry in entries])
    assert told[0] == told[1] == told[2]


def test_a_prompt_longer_than_the_context_is_a_400(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        message(client, False, "word " * 3000)
    assert caught.value.code == "context_length_exceeded"


def test_the_demo_s_conversation(client: OpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
    try:
        from conversation import ask_with_tools
        from demo import TOOL_QUESTION
    finally:
        sys.path.pop(0)
    ask_with_tools(client, "auto", TOOL_QUESTION)
    told = capsys.readouterr().out
    [time] = re.findall(r'"time": "(\d\d:\d\d)"', told)
    assert time in told.rpartition("Qwen:")[2]
