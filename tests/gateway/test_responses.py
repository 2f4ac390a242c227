"""Responses through a real gateway and a real tritonserver, asked with the openai package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import APIError, BadRequestError, NotFoundError, OpenAI
from transformers import AutoTokenizer

from loadtest.engine.script import Script, script_text
from tests.support.gateway import Gateway
from tests.support.sse import read_events
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
every_route = pytest.mark.parametrize("route", ["direct", "ensemble", "bls"])

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "深圳"}}\n</tool_call>'


@pytest.fixture
def client(scripted: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=scripted.api, api_key="none", max_retries=0, timeout=30) as client:
        yield client


def final(client: OpenAI, script: Script, stream: bool, *, model: str = "direct", **fields: Any) -> Any:
    """The response, whether it was streamed or not."""
    asked: dict[str, Any] = {"model": model, "input": script_text(script), **fields}
    if not stream:
        return client.responses.create(**asked)
    return list(client.responses.create(**asked, stream=True))[-1].response


@both
@every_route
def test_text(client: OpenAI, route: str, stream: bool) -> None:
    answer = final(client, Script(text="聪明 and 👨‍👩‍👧"), stream, model=route)
    assert (answer.status, answer.output_text) == ("completed", "聪明 and 👨‍👩‍👧")
    assert answer.id.startswith("resp_")
    assert answer.model == route


def test_the_helper_s_deltas_are_the_text(client: OpenAI) -> None:
    script = Script(text="one two three", delay_ms=50)  # tokens that come together are one delta
    with client.responses.stream(model="direct", input=script_text(script)) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        answer = stream.get_final_response()
    assert len(deltas) > 1
    assert "".join(deltas) == answer.output_text == "one two three"


@both
def test_a_limit_makes_it_incomplete(client: OpenAI, stream: bool) -> None:
    answer = final(client, Script(text="one two three four", repeat=True), stream, max_output_tokens=4)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (answer.usage.output_tokens, answer.max_output_tokens) == (4, 4)
    assert [item.status for item in answer.output] == ["incomplete"]


@both
def test_usage(client: OpenAI, stream: bool, scripted_triton: ScriptedTriton) -> None:
    tag = f"responses-usage-{stream}"
    usage = final(client, Script(tag=tag, text="one two"), stream).usage
    sent = len(scripted_triton.journal.tensors(tag)["input_ids"][0])
    made = scripted_triton.journal.wait_for(tag, "end")["emitted"]
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (sent, made, sent + made)


@both
def test_calls(client: OpenAI, stream: bool) -> None:
    answer = final(client, Script(text=f"A moment.\n{CALL}\n{CALL}"), stream, tools=[WEATHER])
    said, *calls = answer.output
    assert (said.type, said.content[0].text.strip()) == ("message", "A moment.")
    assert [(call.type, call.name, call.arguments) for call in calls] == [
        ("function_call", "get_weather", '{"city": "深圳"}')
    ] * 2
    assert len({call.call_id for call in calls}) == 2
    assert answer.status == "completed"


def test_one_call_where_one_is_wanted(client: OpenAI) -> None:
    script = Script(text=f"{CALL}\n{CALL}")
    answer = final(client, script, False, tools=[WEATHER], parallel_tool_calls=False)
    assert [item.type for item in answer.output] == ["function_call"]
    assert answer.parallel_tool_calls is False


def test_a_conversation_with_a_tool(
    client: OpenAI, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> None:
    (call,) = final(client, Script(text=CALL), False, tools=[WEATHER]).output
    history: list[Any] = [
        {"role": "user", "content": "the weather?"},
        call.to_dict(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
        {"role": "user", "content": script_text(Script(tag="responses-history", text="ok"))},
    ]
    client.responses.create(model="direct", input=history, tools=[WEATHER], instructions="be brief")
    ids = scripted_triton.journal.tensors("responses-history")["input_ids"][0]
    prompt = AutoTokenizer.from_pretrained(str(tokenizer.path)).decode(ids)
    for words in ("be brief", '"get_weather"', "the weather?", "<tool_call>", "深圳", "</tool_call>", "rain"):
        assert words in prompt
        prompt = prompt[prompt.index(words) :]


@both
def test_thinking_is_an_item(featured: Gateway, stream: bool) -> None:
    script = Script(text="<think>\nHm.\n</think>\n\nFour.")
    with OpenAI(base_url=featured.api, api_key="none", max_retries=0, timeout=30) as client:
        answer = final(client, script, stream, model="thinker")
    thought, said = answer.output
    assert (thought.type, [part.text.strip() for part in thought.content]) == ("reasoning", ["Hm."])
    assert (said.type, answer.output_text.strip()) == ("message", "Four.")
    assert 0 < answer.usage.output_tokens_details.reasoning_tokens < answer.usage.output_tokens


def test_a_schema_is_the_engine_s_guide(client: OpenAI, scripted_triton: ScriptedTriton) -> None:
    form: Any = {"type": "json_schema", "name": "n", "schema": nested(1), "strict": True}
    asked = {"text": {"format": form}}
    can: Any = client.models.retrieve("direct").model_dump()["capabilities"]
    if "json_schema" not in can["guided_decoding"]:
        with pytest.raises(BadRequestError) as refused:
            final(client, Script(text="{}"), False, **asked)
        assert refused.value.param == "text.format"
        return
    answer = final(client, Script(tag="responses-guide", text="{}"), False, **asked)
    assert answer.text.format.to_dict() == {**form, "description": None}
    (guide,) = scripted_triton.journal.tensors("responses-guide")["guided_decoding_guide"][0]
    assert json.loads(guide) == form["schema"]


def test_log_probabilities(client: OpenAI) -> None:
    script = Script(text="one two", log_probs=[-0.5])
    answer = final(client, script, False, include=["message.output_text.logprobs"])
    (part,) = answer.output[0].content
    assert "".join(each.token for each in part.logprobs) == "one two"
    assert bytes(byte for each in part.logprobs for byte in each.bytes) == b"one two"
    assert part.logprobs[0].logprob == -0.5


def test_a_failure_on_the_way_raises(client: OpenAI) -> None:
    script = Script(text="one two three four", error_after=2, error="the engine died")
    stream = client.responses.create(model="direct", input=script_text(script), stream=True)
    seen = []
    with pytest.raises(APIError, match="the engine died"):
        seen += [event.type for event in stream]
    assert final(client, Script(text="fine"), False).output_text == "fine"


def test_a_failure_before_the_first_event_is_a_status(client: OpenAI) -> None:
    with pytest.raises(APIError) as raised:
        final(client, Script(text="x", error_at_start=True), True)
    assert getattr(raised.value, "status_code", None) == 502


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


DEEP = {"type": "json_schema", "name": "n", "schema": nested(60)}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"previous_response_id": "resp_1"}, "previous_response_id", id="state"),
        pytest.param({"tools": [{"type": "web_search"}]}, "tools[0].type", id="hosted-tool"),
        pytest.param({"max_output_tokens": 0}, "max_output_tokens", id="the-chat's-range"),
        pytest.param({"max_output_tokens": 100000}, "max_output_tokens", id="the-model's-limit"),
        pytest.param({"input": "word " * 9000}, "input", id="context"),
        pytest.param({"input": [{"role": "user", "content": "word " * 9000}]}, "input", id="context-of-items"),
        pytest.param({"text": {"format": DEEP}}, "text.format", id="a-schema-too-deep"),
        pytest.param({"top_logprobs": 2}, "top_logprobs", id="alternatives"),
        pytest.param({"model": "none"}, "model", id="model"),
    ],
)
@both
def test_refusals_name_the_field(client: OpenAI, stream: bool, fields: dict[str, Any], param: str) -> None:
    with pytest.raises((BadRequestError, NotFoundError)) as refused:
        client.responses.create(**{"model": "direct", "input": "hi", **fields}, stream=stream)
    assert refused.value.param == param


def test_nothing_is_stored(client: OpenAI) -> None:
    made = final(client, Script(text="ok"), False, store=True)
    assert made.to_dict()["store"] is False
    for ask in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(NotFoundError, match="stores nothing"):
            ask(made.id)
    with pytest.raises(NotFoundError, match="stores nothing"):
        client.responses.input_items.list(made.id)


def test_input_tokens_are_those_of_the_response(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": "direct", "input": script_text(Script(text="ok")), "tools": [WEATHER]}
    counted = client.responses.input_tokens.count(**asked)
    usage = client.responses.create(**asked).usage
    assert usage is not None
    assert counted.input_tokens == usage.input_tokens


def test_unknown_fields_are_told_in_a_header(scripted: Gateway) -> None:
    body = {
        "model": "direct",
        "input": script_text(Script(text="ok")),
        "colour": "red",
        "chat_template_kwargs": {"mood": 1},
    }
    reply = httpx.post(f"{scripted.api}/responses", json=body, timeout=30)
    assert reply.status_code == 200
    assert reply.headers["x-ignored-fields"] == "colour, chat_template_kwargs.mood"


def test_the_stream_s_frames(scripted: Gateway) -> None:
    body = {"model": "direct", "input": script_text(Script(text="ok")), "stream": True}
    reply = httpx.post(f"{scripted.api}/responses", json=body, timeout=30)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = read_events(reply.content)
    assert [event.name for event in events] == [event.data["type"] for event in events]
    assert (events[0].name, events[-1].name) == ("response.created", "response.completed")
