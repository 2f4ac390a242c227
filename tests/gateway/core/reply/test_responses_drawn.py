"""Responses to any deltas at all, drawn at random."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from gateway.core.reply.collect import Choice
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Part, Reasoning, Usage
from tests.gateway.core.reply.response_answers import ASKED, HALF, SDK_EVENT, A, B, collected, request, streamed
from tests.support.openai_objects.response_stream import check_response_stream
from tests.support.openai_objects.responses import Response as StrictResponse

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
