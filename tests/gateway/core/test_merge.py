"""Merged deltas tell a client the same, whichever API it speaks and whenever it catches up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.merge import Backlog
from gateway.core.reply.chat import ChatStream, ChatStyle
from gateway.core.reply.collect import Choice
from gateway.core.reply.completions import CompletionStream
from gateway.core.reply.messages import MessageEvents, MessageReply, MessageStream
from gateway.core.reply.responses import ResponsesReply, ResponsesStream
from gateway.core.schema.responses import parse_responses
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
from tests.support.anthropic_objects.streams import check_message_stream
from tests.support.openai_objects.response_stream import check_response_stream
from tests.support.openai_objects.streams import check_chat_stream, check_completion_stream
from tests.support.sse import read_events

texts = st.text('ab ü聪😀\n"', min_size=1, max_size=4)


def head(prefix: str) -> dict[str, Any]:
    return {"id": f"{prefix}{'0' * 32}", "created": 1_700_000_000, "model": "q"}


def token(text: str) -> TokenLogprob:
    return TokenLogprob(text, text.encode(), -0.5)


@st.composite
def answers(draw: st.DrawFn, /, choice: int = 0, *, calls: bool = True, usage: bool = False) -> list[Delta]:
    """One answer as a pipeline gives it: thinking, text with its log-probabilities, calls, the finish."""
    deltas = [Delta((Reasoning(text),)) for text in draw(st.lists(texts, max_size=4))]
    for text in draw(st.lists(texts, max_size=5)):
        logprobs = tuple(token(char) for char in text) if draw(st.booleans()) else ()
        deltas.append(Delta((Content(text),), None, logprobs))
    count = draw(st.integers(0, 2 if calls else 0))
    for index in range(count):
        start: list[Part] = [CallStart(index, f"call_{index}", "f")]
        arguments = draw(st.sampled_from(["{}", '{"a": "ü"}', '{"a": [1, 2]}']))
        cut = draw(st.integers(1, len(arguments) - 1))
        if draw(st.booleans()):
            deltas.append(Delta((*start, CallArguments(index, arguments[:cut]))))
        else:
            deltas += [Delta(tuple(start)), Delta((CallArguments(index, arguments[:cut]),))]
        deltas.append(Delta((CallArguments(index, arguments[cut:]),)))
    finish = Finish("tool_calls" if count else "stop", Usage(7, 3, 2, 1))
    last = (Content("."),) if draw(st.booleans()) and not count else ()
    deltas.append(Delta(last, finish))
    return [
        Delta(delta.parts, delta.finish, delta.logprobs, choice, Usage(7, number) if usage else None)
        for number, delta in enumerate(deltas)
    ]


@st.composite
def interleaved(draw: st.DrawFn, /, choices: int = 3, **options: Any) -> list[Delta]:
    """Answers side by side, each in its order."""
    rows = [draw(answers(choice, **options)) for choice in range(choices)]
    deltas = []
    while any(rows):
        deltas.append(draw(st.sampled_from([row for row in rows if row])).pop(0))
    return deltas


def slowly(deltas: Sequence[Delta], waits: Sequence[int]) -> list[Delta]:
    """What a client gets that reads after so many deltas, again and again."""
    backlog, got, pushed = Backlog(), [], 0
    turns = iter([*waits, len(deltas)])
    turn = next(turns)
    for delta in deltas:
        backlog.push(delta)
        pushed += 1
        if pushed >= turn:
            got += backlog.take()
            pushed, turn = 0, next(turns, 1)
    got += backlog.take()
    assert not backlog
    assert backlog.bytes == 0
    return got


few = settings(max_examples=40, suppress_health_check=list(HealthCheck))  # strict readers are slow
waits = st.lists(st.integers(1, 8), max_size=12)


def choices_of(deltas: Sequence[Delta], count: int) -> list[Choice]:
    choices = [Choice() for _ in range(count)]
    for delta in deltas:
        choices[delta.choice].push(delta)
    return choices


def summary(choice: Choice) -> tuple[Any, ...]:
    calls = [(call.id, call.name, "".join(call.arguments)) for call in choice.calls]
    return "".join(choice.content), "".join(choice.reasoning), calls, choice.logprobs, choice.finish


@given(interleaved(), waits)
def test_every_choice_is_the_same_in_the_end(deltas: list[Delta], waits: list[int]) -> None:
    merged = slowly(deltas, waits)
    assert len(merged) <= len(deltas)
    before, after = choices_of(deltas, 3), choices_of(merged, 3)
    assert [summary(choice) for choice in after] == [summary(choice) for choice in before]


def chat_told(deltas: Sequence[Delta], count: int) -> list[Any]:
    """What a client of chat completions joins from the chunks of each choice."""
    stream = ChatStream(**head("chatcmpl-"), choices=count, style=ChatStyle(include_usage=True, logprobs=True))
    events = read_events(b"".join(stream.push(delta) for delta in deltas))
    asked = {"n": count, "logprobs": True, "stream_options": {"include_usage": True}}
    check_chat_stream(events, asked)
    told: list[Any] = [{"text": "", "thought": "", "calls": {}, "logprobs": [], "finish": None} for _ in range(count)]
    for event in events[:-2]:
        (choice,) = event.data["choices"]
        mine, delta = told[choice["index"]], choice["delta"]
        mine["text"] += delta.get("content", "")
        mine["thought"] += delta.get("reasoning_content", "")
        for call in delta.get("tool_calls", []):
            known = mine["calls"].setdefault(call["index"], [call.get("id"), call["function"].get("name"), ""])
            known[2] += call["function"]["arguments"]
        mine["logprobs"] += (choice["logprobs"] or {"content": []})["content"]
        mine["finish"] = choice["finish_reason"] or mine["finish"]
    return [*told, events[-2].data["usage"]]


@few
@given(interleaved(), waits)
def test_chat_completions(deltas: list[Delta], waits: list[int]) -> None:
    assert chat_told(slowly(deltas, waits), 3) == chat_told(deltas, 3)


def running(deltas: Sequence[Delta]) -> list[Any]:
    stream = ChatStream(**head("chatcmpl-"), style=ChatStyle(include_usage=True))
    frames = read_events(b"".join(stream.push(delta) for delta in deltas))
    return [event.data["usage"] for event in frames[:-1] if event.data["usage"]]


@few
@given(answers(usage=True), waits)
def test_running_counts_only_grow_and_end_the_same(deltas: list[Delta], waits: list[int]) -> None:
    whole, merged = running(deltas), running(slowly(deltas, waits))
    assert merged[-1] == whole[-1]
    counts = [usage["completion_tokens"] for usage in merged[:-1]]
    assert counts == sorted(counts)


def completion_told(deltas: Sequence[Delta], count: int) -> list[Any]:
    stream = CompletionStream(**head("cmpl-"), choices=count, n=count, include_usage=True, echo=["> "] * count)
    events = read_events(b"".join(stream.push(delta) for delta in deltas))
    asked = {"n": count, "prompt": "x", "logprobs": 1, "stream_options": {"include_usage": True}}
    check_completion_stream(events, asked)
    told: list[Any] = [["", [], None] for _ in range(count)]
    for event in events[:-2]:
        (choice,) = event.data["choices"]
        mine = told[choice["index"]]
        mine[0] += choice["text"]
        if choice["logprobs"]:
            mine[1] += zip(*(choice["logprobs"][k] for k in ("tokens", "token_logprobs", "text_offset")), strict=True)
        mine[2] = choice["finish_reason"] or mine[2]
    return [*told, events[-2].data["usage"]]


@few
@given(interleaved(calls=False), waits)
def test_text_completions(deltas: list[Delta], waits: list[int]) -> None:
    assert completion_told(slowly(deltas, waits), 3) == completion_told(deltas, 3)


@few
@given(answers(), waits)
def test_messages(deltas: list[Delta], waits: list[int]) -> None:
    def told(deltas: Sequence[Delta]) -> Any:
        reply = MessageReply(MessageEvents(id="msg_1", model="q", input_tokens=7, max_tokens=99))
        stream = MessageStream(MessageEvents(id="msg_1", model="q", input_tokens=7, max_tokens=99), request_id="req_1")
        check_message_stream(read_events(b"".join(stream.push(delta) for delta in deltas)))
        for delta in deltas:
            reply.push(delta)
        return json.dumps(reply.body)

    assert told(slowly(deltas, waits)) == told(deltas)


@few
@given(answers(), waits)
def test_responses(deltas: list[Delta], waits: list[int]) -> None:
    asked = parse_responses(b'{"model": "q", "input": "hi", "include": ["message.output_text.logprobs"]}')

    def told(deltas: Sequence[Delta]) -> Any:
        reply, stream = ResponsesReply(**head("resp_"), request=asked), ResponsesStream(**head("resp_"), request=asked)
        check_response_stream(read_events(b"".join(stream.push(delta) for delta in deltas)))
        for delta in deltas:
            reply.push(delta)
        return reply.body()

    assert told(slowly(deltas, waits)) == told(deltas)


def test_a_long_wait_is_one_delta_and_costs_what_its_text_does() -> None:
    backlog = Backlog()
    for _ in range(100_000):
        backlog.push(Delta((Content("聪 "),)))
    assert 400_000 <= backlog.bytes <= 401_000
    (delta,) = backlog.take()
    assert delta.parts == (Content("聪 " * 100_000),)
