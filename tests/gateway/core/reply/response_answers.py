"""Answers of a model, and how they are written as a response that was asked for: streamed, and collected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.core.reply.responses import ResponsesReply, ResponsesStream
from gateway.core.schema.responses import ResponsesRequest, parse_responses
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Part, Reasoning, TokenLogprob, Usage
from tests.support.sse import Event, read_events

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


A, B, C = token("a", -1.0), token("b", -2.0), token("c", -3.0)
HALF = TokenLogprob("\ufffd", b"\xe6", -4.0)
