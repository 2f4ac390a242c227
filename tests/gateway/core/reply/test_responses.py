from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.core.errors import GatewayError, RequestError, UpstreamError
from gateway.core.reply.collect import Choice
from gateway.core.reply.responses import ResponsesReply, ResponsesStream
from gateway.core.schema.responses import ResponsesRequest, parse_responses
from gateway.core.types import (
    CallArguments,
    CallStart,
    Content,
    Delta,
    Finish,
    Part,
    Reasoning,
    TokenLogprob,
    Usage,
)
from tests.support.openai_objects.response_stream import check_response_stream
from tests.support.openai_objects.responses import Response as StrictResponse
from tests.support.sse import Event, read_events

GOLDEN = Path(__file__).with_name("responses.golden.sse")
SDK_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
HEAD: dict[str, Any] = {"id": "resp_0a1b", "created": 1700000000, "model": "qwen"}
STOP = Finish("stop", Usage(3, 5))


def request(**fields: Any) -> ResponsesRequest:
    return parse_responses(json.dumps({"model": "qwen", "input": "hi", **fields}).encode())


def streamed(deltas: Sequence[Delta], asked: ResponsesRequest) -> list[Event]:
    stream = ResponsesStream(**HEAD, request=asked)
    return read_events(b"".join(stream.push(delta) for delta in deltas))


def collected(deltas: Sequence[Delta], asked: ResponsesRequest) -> dict[str, Any]:
    reply = ResponsesReply(**HEAD, request=asked)
    for delta in deltas:
        reply.push(delta)
    return reply.body()


def ended(*parts: Part, finish: Finish = STOP) -> list[Delta]:
    return [*(Delta((part,)) for part in parts), Delta(finish=finish)]


def token(text: str, logprob: float) -> TokenLogprob:
    return TokenLogprob(text, text.encode(), logprob)


FULL = [
    Delta((Reasoning("let me "),)),
    Delta((Reasoning("look"),)),
    Delta((Content("我"),), logprobs=(token("我", -0.5),)),
    Delta(logprobs=(token(" s", -1.0),)),
    Delta((Content(" see"),), logprobs=(token("ee", -0.25),)),
    Delta((CallStart(0, "call_1", "look_up"), CallArguments(0, '{"a"'))),
    Delta((CallArguments(0, ": 1}"), CallStart(1, "call_2", "now")), Finish("tool_calls", Usage(9, 12, 4, 2))),
]
ASKED = {
    "instructions": "be brief",
    "include": ["message.output_text.logprobs"],
    "max_output_tokens": 20,
    "temperature": 0.5,
    "reasoning": {"effort": "low"},
    "metadata": {"a": "b"},
    "tools": [
        {"type": "function", "name": "look_up", "parameters": {"type": "object"}, "strict": True},
        {"type": "function", "name": "now", "description": "the time"},
    ],
}


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


A, B, C = token("a", -1.0), token("b", -2.0), token("c", -3.0)
HALF = TokenLogprob("\ufffd", b"\xe6", -4.0)
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


TEXTS = st.text(st.sampled_from('ab{"\\\n我\u2028😀'), max_size=3)
KINDS = st.lists(st.sampled_from(["content", "reasoning", "call"]), max_size=6)


@st.composite
def answers(draw: st.DrawFn) -> list[Part]:
    """The parts of an answer: arguments follow the start of their call."""
    parts: list[Part] = []
    calls = 0
    for kind in draw(KINDS):
        texts = draw(st.lists(TEXTS, max_size=3))
        if kind == "call":
            parts += [CallStart(calls, f"call_{calls}", "天气"), *(CallArguments(calls, text) for text in texts)]
            calls += 1
        else:
            parts += [Content(text) if kind == "content" else Reasoning(text) for text in texts]
    return parts


@st.composite
def deltas_of(draw: st.DrawFn, parts: list[Part]) -> list[Delta]:
    """Any deltas that bring these parts; some bring nothing."""
    places = sorted(draw(st.lists(st.integers(0, len(parts)), max_size=8)))
    cuts = [parts[a:b] for a, b in zip([0, *places], [*places, len(parts)], strict=True)]
    tokens = st.lists(st.sampled_from([A, B, HALF]), max_size=2)
    deltas = [Delta(tuple(cut), logprobs=tuple(draw(tokens))) for cut in cuts]
    finish = Finish(draw(st.sampled_from(["stop", "length", "tool_calls"])), Usage(3, 5))
    return [*deltas[:-1], deltas[-1]._replace(finish=finish)]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_deltas_streamed_and_collected_are_the_same_response(data: st.DataObject) -> None:
    deltas = data.draw(deltas_of(data.draw(answers())))
    asked = request(**(ASKED if data.draw(st.booleans()) else {}))
    events = streamed(deltas, asked)
    check_response_stream(events)
    for event in events:
        SDK_EVENT.validate_python(event.data)
    body = collected(deltas, asked)
    assert events[-1].data["response"] == body
    Response.model_validate(body)
    StrictResponse.model_validate(body)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nothing_is_lost_and_nothing_depends_on_the_cuts(data: st.DataObject) -> None:
    parts = data.draw(answers())
    deltas = data.draw(deltas_of(parts))
    choice = Choice()
    for delta in deltas:
        choice.push(delta)
    body = collected(deltas, request())
    whole = collected([Delta(tuple(parts), deltas[-1].finish)], request())
    assert body == whole
    texts: dict[str, str] = {"message": "", "reasoning": ""}
    for item in body["output"]:
        if item["type"] in texts:
            texts[item["type"]] += "".join(part["text"] for part in item["content"])
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    assert texts == {"message": "".join(choice.content), "reasoning": "".join(choice.reasoning)}
    assert [(item["call_id"], item["name"], item["arguments"]) for item in calls] == [
        (each.id, each.name, "".join(each.arguments)) for each in choice.calls
    ]
    ids = [item["id"] for item in body["output"]]
    assert len(set(ids)) == len(ids)
