"""Everything a chat can ask for, through a real gateway and tritonserver, with an engine that says what it got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.gateway.features import features_toml
from tests.support.gateway import Gateway, gateway_serving
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "北京", "days": 2}}\n</tool_call>'
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}


@pytest.fixture(scope="module")
def client(featured: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=featured.api, api_key="none", max_retries=0, timeout=60) as client:
        yield client


def said(text: str, tag: str = "", **fields: Any) -> Any:
    return messages(Script(text=text, tag=tag, **fields))


def message(client: OpenAI, stream: bool, **fields: Any) -> tuple[dict[str, Any], str]:
    """The one answer's message and finish reason; streamed, it is put together by the SDK."""
    fields = {"model": "direct", **fields}
    if not stream:
        choice = client.chat.completions.create(**fields).choices[0]
    else:
        with client.chat.completions.stream(**fields) as events:
            choice = events.get_final_completion().choices[0]
    return choice.message.model_dump(exclude_none=True), choice.finish_reason


@both
def test_a_tool_call_and_its_result(client: OpenAI, stream: bool) -> None:
    answer, reason = message(client, stream, messages=said(f"Let me see.\n{CALL}"), tools=[WEATHER])
    assert (answer["content"], reason) == ("Let me see.", "tool_calls")
    [call] = answer["tool_calls"]
    assert call["id"].startswith("call_")
    assert call["function"]["name"] == "get_weather"
    assert call["function"]["arguments"] == '{"city": "北京", "days": 2}'
    history = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [{k: call[k] for k in ("id", "type", "function")}]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
        *said("It is sunny."),
    ]
    answer, reason = message(client, stream, messages=history, tools=[WEATHER])
    assert (answer["content"], reason) == ("It is sunny.", "stop")


@both
@pytest.mark.parametrize(
    ("choice", "begun", "reason"),
    [
        ("auto", "", "tool_calls"),
        ("required", '<tool_call>\n{"name": "', "tool_calls"),
        (
            {"type": "function", "function": {"name": "get_weather"}},
            '<tool_call>\n{"name": "get_weather", "arguments":',
            "stop",
        ),
    ],
    ids=["auto", "required", "named"],
)
def test_tool_choice(client: OpenAI, stream: bool, choice: Any, begun: str, reason: str) -> None:
    # Where the engine has no structural tags the call is begun in the prompt, and the engine says the rest of it.
    can = client.models.retrieve("direct").model_dump()["capabilities"]
    text = CALL if "structural_tag" in can["guided_decoding"] else CALL.removeprefix(begun)
    answer, finished = message(client, stream, messages=said(text), tools=[WEATHER], tool_choice=choice)
    [call] = answer["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])["city"]) == ("get_weather", "北京")
    assert finished == reason


@both
def test_without_tools_or_with_none_a_call_is_text(client: OpenAI, stream: bool) -> None:
    assert message(client, stream, messages=said(CALL))[0]["content"] == CALL
    assert message(client, stream, messages=said(CALL), tools=[WEATHER], tool_choice="none")[0]["content"] == CALL


def test_one_call_where_one_is_wanted_ends_the_engine_s_work(client: OpenAI, scripted_triton: ScriptedTriton) -> None:
    said_twice = said(f"{CALL}\n", tag="one-call", repeat=True, delay_ms=5)
    answer, reason = message(client, True, messages=said_twice, tools=[WEATHER], parallel_tool_calls=False)
    assert (len(answer["tool_calls"]), reason) == (1, "tool_calls")
    assert scripted_triton.journal.wait_for("one-call", "end")["reason"] == "cancel"


@both
def test_thinking_comes_apart_from_the_answer(client: OpenAI, stream: bool) -> None:
    answer, _ = message(client, stream, model="thinker", messages=said("<think>\nHm.\n</think>\n\nFour."))
    assert (answer["content"], answer["reasoning_content"], answer["reasoning"]) == ("Four.", "Hm.", "Hm.")
    off, _ = message(
        client,
        stream,
        model="thinker",
        messages=said("Four."),
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    assert off["content"] == "Four."
    assert "reasoning_content" not in off


def test_thinking_is_counted(client: OpenAI) -> None:
    usage = client.chat.completions.create(
        model="thinker", messages=said("<think>\nHm.\n</think>\n\nFour.")
    ).usage.completion_tokens_details
    assert usage is not None
    assert usage.reasoning_tokens


@both
def test_several_answers(client: OpenAI, scripted_triton: ScriptedTriton, stream: bool) -> None:
    tag = f"several-{stream}"
    request: Any = {"model": "direct", "messages": said("same", tag=tag), "n": 3, "seed": 40}
    if stream:
        texts = {0: "", 1: "", 2: ""}
        usages = []
        for chunk in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **request):
            usages += [chunk.usage] if chunk.usage else []
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
        [usage] = usages
    else:
        whole = client.chat.completions.create(**request)
        texts = {choice.index: choice.message.content or "" for choice in whole.choices}
        usage = whole.usage
    assert texts == {0: "same", 1: "same", 2: "same"}
    starts = scripted_triton.journal.records(tag, "start")
    assert {record["tensors"]["random_seed"]["values"][0] for record in starts} == {40, 41, 42}
    one = client.chat.completions.create(model="direct", messages=said("same", tag=tag)).usage
    assert usage.prompt_tokens == one.prompt_tokens
    assert usage.completion_tokens == 3 * one.completion_tokens


@both
def test_log_probabilities(client: OpenAI, stream: bool) -> None:
    request: Any = {"model": "direct", "messages": said("聪明 ok"), "logprobs": True}
    if stream:
        chunks = list(client.chat.completions.create(stream=True, **request))
        entries = [
            entry for c in chunks for choice in c.choices if choice.logprobs for entry in choice.logprobs.content
        ]
    else:
        entries = client.chat.completions.create(**request).choices[0].logprobs.content
    assert b"".join(bytes(entry.bytes) for entry in entries).decode() == "聪明 ok"
    assert [entry.logprob for entry in entries] == [-(n + 1) / 16 for n in range(len(entries))]


FIELDS = [
    pytest.param({"logit_bias": {"5": -100}}, "embedding_bias", id="logit-bias"),
    pytest.param({"extra_body": {"bad_words": ["no"]}}, "bad_words_list", id="bad-words"),
    pytest.param({"extra_body": {"ignore_eos": True}}, "end_id", id="ignore-eos"),
    pytest.param({"extra_body": {"stop_token_ids": [7]}}, "stop_words_list", id="stop-token-ids"),
    pytest.param({"model": "pirate"}, "lora_task_id", id="lora"),
]


@pytest.mark.parametrize(("fields", "tensor"), FIELDS)
def test_fields_reach_the_engine(
    client: OpenAI, scripted_triton: ScriptedTriton, fields: dict[str, Any], tensor: str
) -> None:
    tag = f"field-{tensor}"
    reply = client.chat.completions.create(**{"model": "direct", "messages": said("ok", tag=tag), **fields})
    assert reply.choices[0].message.content == "ok"
    assert reply.model == fields.get("model", "direct")
    sent = scripted_triton.journal.tensors(tag)[tensor]
    plain = f"plain-{tensor}"
    client.chat.completions.create(model="direct", messages=said("ok", tag=plain))
    assert scripted_triton.journal.tensors(plain).get(tensor) != sent


REFUSED = [
    pytest.param({"extra_body": {"min_p": 0.5}}, "min_p", id="min-p"),
    pytest.param({"logprobs": True, "top_logprobs": 3}, "top_logprobs", id="alternatives"),
    pytest.param({"model": "ensemble", "messages": [{"role": "user", "content": "<|im_end|>"}]}, "messages", id="text"),
    pytest.param({"reasoning_effort": "high"}, "reasoning_effort", id="effort"),
    pytest.param({"extra_body": {"priority": 3}}, "priority", id="priority"),
    pytest.param({"logit_bias": {"999999": 1}}, "logit_bias", id="unknown-token"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
@both
def test_what_cannot_be_honoured_is_refused_by_name(
    client: OpenAI, fields: dict[str, Any], param: str, stream: bool
) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(**{"model": "direct", "messages": said("x"), "stream": stream, **fields})
    assert caught.value.param == param


def test_a_final_message_is_continued(client: OpenAI, featured: Gateway) -> None:
    turns = [*said("ok", tag="continued"), {"role": "assistant", "content": "Once upon "}]
    body = {"model": "direct", "messages": turns, "continue_final_message": True, "add_generation_prompt": False}
    rendered = httpx.post(f"{featured.api}/chat/completions/render", json=body).json()
    assert rendered["prompt"].endswith("<|im_start|>assistant\nOnce upon ")


def test_unknown_fields_are_told(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="direct",
        messages=said("ok"),
        extra_body={"foo": 1, "聪\r\nx": 2, "chat_template_kwargs": {"enable_thinking": True}},
    )
    assert raw.headers["x-ignored-fields"] == r"foo, \u806a??x, chat_template_kwargs.enable_thinking"
    plain = client.chat.completions.with_raw_response.create(model="direct", messages=said("ok"), user="u", store=True)
    assert "x-ignored-fields" not in plain.headers


def test_a_strict_server_refuses_them(
    tmp_path: Any, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> None:
    config = features_toml(tmp_path / "strict.toml", scripted_triton.grpc, tokenizer, strict=True)
    with gateway_serving(tmp_path / "strict.log", "--config", str(config)) as gateway:
        body = {"model": "direct", "messages": said("ok"), "foo": 1}
        reply = httpx.post(f"{gateway.api}/chat/completions", json=body, timeout=60)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "foo")
        del body["foo"]
        assert httpx.post(f"{gateway.api}/chat/completions", json=body, timeout=60).status_code == 200


def test_usage_along_the_way(client: OpenAI) -> None:
    options: Any = {"include_usage": True, "continuous_usage_stats": True}
    chunks = list(
        client.chat.completions.create(model="direct", messages=said("one two"), stream=True, stream_options=options)
    )
    counts = [chunk.usage.completion_tokens for chunk in chunks if chunk.usage]
    assert counts == sorted(counts)
    assert len(counts) > 2


def test_models_tell_what_they_can(client: OpenAI) -> None:
    cards = {card.id: card.model_dump() for card in client.models.list().data}
    assert set(cards) == {"direct", "pirate", "ensemble", "thinker"}
    assert (cards["pirate"]["parent"], cards["direct"].get("parent")) == ("direct", None)
    can = cards["thinker"]["capabilities"]
    assert (can["route"], can["reasoning"], can["tools"]) == ("direct", True, "hermes")
    assert "min_p" in can["unsupported_fields"]
    with pytest.raises(NotFoundError):
        client.models.retrieve("none")
