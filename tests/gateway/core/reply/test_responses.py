from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses import Response

from gateway.core.errors import GatewayError, RequestError, UpstreamError
from gateway.core.reply.responses import ResponsesStream
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Reasoning, TokenLogprob, Usage
from tests.gateway.core.reply.response_answers import (
    ASKED,
    FULL,
    HALF,
    HEAD,
    SDK_EVENT,
    STOP,
    A,
    B,
    C,
    collected,
    ended,
    request,
    streamed,
)
from tests.support.openai_objects.response_stream import check_response_stream
from tests.support.openai_objects.responses import Response as StrictResponse
from tests.support.sse import read_events

GOLDEN = Path(__file__).with_name("responses.golden.sse")


def test_the_golden_transcript() -> None:
    stream = ResponsesStream(**HEAD, request=request(**ASKED, stream=True))
    assert b"".join(stream.push(delta) for delta in FULL).decode() == GOLDEN.read_text("utf-8")


def test_the_golden_transcript_keeps_the_rules() -> None:
    events = read_events(GOLDEN.read_bytes())
    check_response_stream(events)
    assert [event.name for event in events if "delta" not in event.name] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message(text: str, *, index: int = 0, status: str = "completed") -> dict[str, Any]:
    head = {"id": f"msg_0a1b0{index}", "type": "message", "status": status, "role": "assistant"}
    return {**head, "content": [text_part(text)]}


def thinking(text: str, *, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": text}]
    return {"id": "rs_0a1b00", "type": "reasoning", "status": status, "summary": [], "content": content}


def call(arguments: str, *, index: int = 0, status: str = "completed") -> dict[str, Any]:
    head = {"id": f"fc_0a1b0{index}", "type": "function_call", "status": status}
    return {**head, "call_id": "call_1", "name": "f", "arguments": arguments}


LENGTH = Finish("length", Usage(3, 5))
CALL = CallStart(0, "call_1", "f")
OUTPUTS = [
    pytest.param(ended(Content("a"), Content("b")), "completed", [message("ab")], id="text"),
    pytest.param(ended(), "completed", [message("")], id="nothing"),
    pytest.param(ended(Content(""), Reasoning("")), "completed", [message("")], id="empty-parts"),
    pytest.param(ended(Reasoning("a")), "completed", [thinking("a"), message("", index=1)], id="only-thinking"),
    pytest.param(ended(finish=LENGTH), "incomplete", [], id="nothing-cut"),
    pytest.param(ended(Content("a"), finish=LENGTH), "incomplete", [message("a", status="incomplete")], id="text-cut"),
    pytest.param(
        ended(Reasoning("a"), finish=LENGTH), "incomplete", [thinking("a", status="incomplete")], id="thinking-cut"
    ),
    pytest.param(
        ended(Content("a"), CALL, CallArguments(0, "{"), finish=LENGTH),
        "incomplete",
        [message("a"), call("{", index=1, status="incomplete")],
        id="call-cut",
    ),
    pytest.param(
        ended(CALL, CallArguments(0, ""), CallArguments(0, "{}"), finish=Finish("tool_calls", Usage(3, 5))),
        "completed",
        [call("{}")],
        id="call",
    ),
    pytest.param(ended(CALL), "completed", [call("")], id="call-of-a-named-function"),
    pytest.param(
        ended(CALL, CallArguments(0, "{}"), Content("x")), "completed", [call("{}"), message("x", index=1)], id="after"
    ),
]


@pytest.mark.parametrize(("deltas", "status", "output"), OUTPUTS)
def test_output(deltas: list[Delta], status: str, output: list[Any]) -> None:
    body = collected(deltas, request())
    assert (body["status"], body["output"]) == (status, output)
    assert body["incomplete_details"] == ({"reason": "max_output_tokens"} if status == "incomplete" else None)
    events = streamed(deltas, request())
    check_response_stream(events)
    assert events[-1].name == f"response.{status}"


ECHOES = [
    pytest.param(
        {},
        {
            "instructions": None,
            "max_output_tokens": None,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": 1.0,
            "truncation": "disabled",
            "user": None,
            "metadata": {},
            "service_tier": "default",
            "error": None,
            "background": False,
        },
        id="nothing-asked",
    ),
    pytest.param(
        {"instructions": "i", "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "max_tool_calls": 2},
        {"instructions": "i", "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "max_tool_calls": 2},
        id="as-they-came",
    ),
    pytest.param({"store": True}, {"store": False}, id="nothing-is-stored"),
    pytest.param(
        {"temperature": 0, "top_p": 0, "parallel_tool_calls": False},
        {"temperature": 0, "top_p": 0, "parallel_tool_calls": False},
        id="zeros",
    ),
    pytest.param(
        {"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "json_object"}}}, id="json"
    ),
    pytest.param(
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}}},
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "n",
                    "schema": {"a": 1},
                    "strict": False,
                    "description": None,
                }
            }
        },
        id="schema",
    ),
    pytest.param(
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "f"}},
        {
            "tools": [{"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}],
            "tool_choice": {"type": "function", "name": "f"},
        },
        id="named",
    ),
    pytest.param(
        {
            "tools": [{"type": "function", "name": "f", "x": 1}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        },
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
        id="allowed",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), ECHOES)
def test_what_was_asked_for_is_in_the_response(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    body = collected(ended(Content("a")), request(**fields))
    assert {name: body[name] for name in expected} == expected
    StrictResponse.model_validate(body)
    Response.model_validate(body)


USAGES = [
    pytest.param(Usage(3, 5, 2, 1), 2, 1, id="known"),
    pytest.param(Usage(3, 5), 0, 0, id="unknown"),
]


@pytest.mark.parametrize(("usage", "cached", "reasoned"), USAGES)
def test_usage(usage: Usage, cached: int, reasoned: int) -> None:
    assert collected(ended(finish=Finish("stop", usage)), request())["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": reasoned},
        "total_tokens": 8,
    }


LOGPROBS = [
    pytest.param([Delta((Content("a"),), logprobs=(A,)), Delta((Content("b"),), logprobs=(B,))], [[A], [B]], id="each"),
    pytest.param([Delta(logprobs=(HALF,)), Delta((Content("a"),), logprobs=(A,))], [[HALF, A]], id="before-its-text"),
    pytest.param([Delta((Reasoning("x"), Content("a")), logprobs=(A,))], [[A]], id="after-thinking"),
    pytest.param([Delta((Content("a"),), logprobs=(A,)), Delta(logprobs=(B,))], [[A]], id="that-never-had-text"),
    pytest.param(
        [Delta(logprobs=(A,)), Delta((CALL,), logprobs=(B,)), Delta((CallArguments(0, "{}"),), logprobs=(C,))],
        [],
        id="of-a-call",
    ),
    pytest.param(
        [Delta((CALL,), logprobs=(A,)), Delta((CallArguments(0, "{"),), logprobs=(B,)), Delta((Content("c"),))],
        [[]],
        id="of-a-call-before-text",
    ),
]


@pytest.mark.parametrize(("deltas", "expected"), LOGPROBS)
def test_log_probabilities_go_with_their_text(deltas: list[Delta], expected: list[list[TokenLogprob]]) -> None:
    events = streamed([*deltas, Delta(finish=STOP)], request(include=["message.output_text.logprobs"]))
    check_response_stream(events)
    told = [event.data["logprobs"] for event in events if event.name == "response.output_text.delta"]
    assert told == [[{"token": t.token, "logprob": t.logprob, "top_logprobs": []} for t in each] for each in expected]
    done = [event.data["logprobs"] for event in events if event.name == "response.output_text.done"]
    assert list(chain(*done)) == list(chain(*told))
    parts = [part for item in events[-1].data["response"]["output"] for part in item.get("content", [])]
    last = [logprob for part in parts for logprob in part.get("logprobs", [])]
    assert [logprob.pop("bytes") for logprob in last] == [list(t.bytes) for each in expected for t in each]
    assert last == list(chain(*told))


def test_log_probabilities_that_nobody_asked_for() -> None:
    assert "-1.0" not in json.dumps(collected([Delta((Content("a"),), logprobs=(A,)), *ended()], request()))


ERRORS = [
    pytest.param(UpstreamError("Triton is gone"), "server_error", id="upstream"),
    pytest.param(GatewayError("a bug"), "server_error", id="ours"),
    pytest.param(RequestError("too long", param="input"), "invalid_prompt", id="the-client's"),
]


@pytest.mark.parametrize("before", [0, 1, 3, 6], ids=lambda before: f"after-{before}")
@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_a_failed_stream(error: GatewayError, code: str, before: int) -> None:
    stream = ResponsesStream(**HEAD, request=request(**ASKED))
    body = b"".join(stream.push(delta) for delta in FULL[:before]) + stream.error(error)
    events = read_events(body)
    check_response_stream(events)
    for event in events:
        SDK_EVENT.validate_python(event.data)
    told, failed = events[-2].data, events[-1].data["response"]
    assert (told["message"], told["code"], told["param"]) == (error.message, error.code, error.param)
    assert told["error"]["message"] == error.message
    assert failed["error"] == {"code": code, "message": error.message}
    assert [item["status"] for item in failed["output"]][-1:] == ["incomplete"] * bool(before)


def test_lone_surrogates_do_not_break_the_stream() -> None:
    (delta,) = (
        event.data["delta"]
        for event in streamed(ended(Content("a\ud800b")), request())
        if event.name == "response.output_text.delta"
    )
    assert delta == "a?b"
