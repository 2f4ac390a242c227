"""Chats through a real gateway and a real tritonserver, with an engine that emits what each test needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

from loadtest.engine.script import Script
from tests.gateway.asking import ask, events, messages
from tests.support.gateway import Gateway
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

ROUTES = ["direct", "ensemble", "bls"]
both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
every_route = pytest.mark.parametrize("route", ROUTES)


TEXTS = {
    "english": "The quick brown fox jumps over the lazy dog.",
    "rare-hanzi": "聪明的龘",
    "family-of-emoji": "👨‍👩‍👧 and 👩🏽‍🚀",
    "newlines": "one\n\ntwo\r\n\tthree ",
    "tags": "<think>\n2+2\n</think>\n\n4",
}


@both
@every_route
@pytest.mark.parametrize("chunk", [1, 3], ids=["by-one", "by-three"])
@pytest.mark.parametrize("name", TEXTS)
def test_text_arrives_as_it_was_meant(scripted: Gateway, route: str, stream: bool, chunk: int, name: str) -> None:
    answer = ask(scripted, Script(text=TEXTS[name], chunk=chunk), model=route, stream=stream)
    assert (answer.text, answer.reason) == (TEXTS[name], "stop")


@every_route
def test_no_delta_ever_holds_a_broken_character(scripted: Gateway, route: str) -> None:
    script = Script(text=TEXTS["family-of-emoji"], delay_ms=30)  # tokens that come together are one delta
    body = {"model": route, "messages": messages(script), "stream": True}
    reply = httpx.post(f"{scripted.api}/chat/completions", json=body, timeout=30)
    assert "\ufffd" not in reply.text
    assert len(events(reply.text)) > 5


@every_route
def test_lone_bytes_at_the_end(scripted: Gateway, route: str, tokenizer: TokenizerFolder) -> None:
    from transformers import AutoTokenizer

    ids = AutoTokenizer.from_pretrained(str(tokenizer.path)).encode("聪", add_special_tokens=False)
    assert len(ids) > 1, "the character must be spread over tokens"
    assert ask(scripted, Script(ids=ids[:-1]), model=route).text == "\ufffd"


@both
@every_route
@pytest.mark.parametrize("final", ["data", "empty"])
def test_the_stream_s_end_in_both_forms(scripted: Gateway, route: str, stream: bool, final: str) -> None:
    assert ask(scripted, Script(text="done", final=final), model=route, stream=stream).text == "done"


@both
@every_route
@pytest.mark.parametrize("end", ["end_ids-0", "end_ids-1"])
def test_every_end_id_ends(scripted: Gateway, route: str, stream: bool, end: str, tokenizer: TokenizerFolder) -> None:
    from transformers import AutoTokenizer

    encode = AutoTokenizer.from_pretrained(str(tokenizer.path)).encode
    end_id = encode({"end_ids-0": "<|im_end|>", "end_ids-1": "<|endoftext|>"}[end], add_special_tokens=False)
    ids = encode("fine", add_special_tokens=False) + end_id + encode("junk", add_special_tokens=False)
    answer = ask(scripted, Script(ids=ids), model=route, stream=stream)
    assert (answer.text, answer.reason) == ("fine", "stop")


@both
@every_route
def test_the_token_limit(scripted: Gateway, route: str, stream: bool) -> None:
    script = Script(text="one two three four five six seven eight nine ten", repeat=True)
    answer = ask(scripted, script, model=route, stream=stream, max_tokens=5)
    assert (answer.reason, answer.usage["completion_tokens"]) == ("length", 5)


@both
@every_route
def test_usage_is_counted(scripted: Gateway, route: str, stream: bool, scripted_triton: ScriptedTriton) -> None:
    tag = f"usage-{route}-{stream}"
    answer = ask(scripted, Script(tag=tag, text="one two three"), model=route, stream=stream)
    seen = scripted_triton.journal.tensors(tag)
    emitted = scripted_triton.journal.wait_for(tag, "end")["emitted"]
    assert answer.usage == {
        "prompt_tokens": len(seen["input_ids"][0]),
        "completion_tokens": emitted,
        "total_tokens": len(seen["input_ids"][0]) + emitted,
    }


STOPS = [
    pytest.param("好。\n\n再见", ["\n\n"], "好。", id="two-newlines"),
    pytest.param("one STOP two", "STOP", "one ", id="a-word"),
    pytest.param("one STOP two", [" two", "ST"], "one ", id="the-earlier-of-two"),
    pytest.param("你好，再见", ["，"], "你好", id="chinese"),
    pytest.param("ends with STO", ["STOP"], "ends with STO", id="a-beginning-only"),
]


@both
@every_route
@pytest.mark.parametrize(("text", "stop", "expected"), STOPS)
def test_stop_strings(scripted: Gateway, route: str, stream: bool, text: str, stop: Any, expected: str) -> None:
    answer = ask(scripted, Script(text=text), model=route, stream=stream, stop=stop)
    assert (answer.text, answer.reason) == (expected, "stop")


@pytest.mark.parametrize("first", range(1, 12))
def test_a_stop_string_over_every_split(scripted: Gateway, first: int) -> None:
    script = Script(text="abc STOP def", chunks=[first], chunk=100)
    assert ask(scripted, script, stop="STOP").text == "abc "


@every_route
def test_a_stop_string_cancels_upstream(scripted: Gateway, route: str, scripted_triton: ScriptedTriton) -> None:
    tag = f"stop-string-{route}"
    script = Script(tag=tag, text="one STOP two ", repeat=True, delay_ms=20)
    assert ask(scripted, script, model=route, stop=["STOP"]).reason == "stop"
    ended = scripted_triton.journal.wait_for(tag, "end")
    assert ended["reason"] == "cancel"


@every_route
def test_the_engine_knows_a_request_by_its_answers_id(
    scripted: Gateway, route: str, scripted_triton: ScriptedTriton
) -> None:
    """By which it can be asked to stop, whatever stands before it: a gRPC cancel may crash Triton."""
    tag = f"id-{route}"
    body = {"model": route, "messages": messages(Script(tag=tag, text="a"))}
    reply = httpx.post(f"{scripted.api}/chat/completions", json=body, timeout=30)
    assert scripted_triton.journal.wait_for(tag, "start")["id"] == reply.json()["id"]


SAMPLING = [
    pytest.param({"temperature": 0}, {"top_k": 1, "temperature": None, "top_p": None}, id="temperature-0"),
    pytest.param({"temperature": 0.5}, {"temperature": 0.5, "top_p": 1.0, "top_k": 0}, id="temperature-alone"),
    pytest.param({"top_p": 0.25}, {"temperature": 1.0, "top_p": 0.25, "top_k": 0}, id="top-p"),
    pytest.param({"top_k": 20}, {"top_k": 20, "top_p": 1.0}, id="top-k"),
    pytest.param({"seed": 7}, {"seed": 7}, id="seed"),
    pytest.param({"seed": -1}, {"seed": 2**64 - 1}, id="negative-seed"),
    pytest.param({"frequency_penalty": 0.5}, {"frequency_penalty": 0.5}, id="frequency-penalty"),
    pytest.param({"presence_penalty": -0.5}, {"presence_penalty": -0.5}, id="presence-penalty"),
    pytest.param({"repetition_penalty": 1.5}, {"repetition_penalty": 1.5}, id="repetition-penalty"),
    pytest.param({"min_tokens": 2}, {"min_tokens": 2}, id="min-tokens"),
    pytest.param({"max_completion_tokens": 9}, {"max_tokens": 9}, id="max-completion-tokens"),
]
# What each of our fields is called where it arrives, whatever the route was.
ARRIVES = {
    "top_k": "runtime_top_k",
    "top_p": "runtime_top_p",
    "min_tokens": "min_length",
    "seed": "random_seed",
    "max_tokens": "request_output_len",
}


@every_route
@pytest.mark.parametrize(("fields", "expected"), SAMPLING)
def test_every_sampling_field_reaches_the_engine(
    scripted: Gateway,
    route: str,
    fields: dict[str, Any],
    expected: dict[str, Any],
    scripted_triton: ScriptedTriton,
    request: pytest.FixtureRequest,
) -> None:
    tag = request.node.name
    ask(scripted, Script(tag=tag, text="ok"), model=route, **fields)
    tensors = scripted_triton.journal.tensors(tag)
    for name, value in expected.items():
        got = tensors.get(ARRIVES.get(name, name))
        assert (None if got is None else got[0][0] if isinstance(got[0], list) else got[0]) == value, name


def test_every_request_has_a_seed_of_its_own(scripted: Gateway, scripted_triton: ScriptedTriton) -> None:
    tags = [f"seed-{n}" for n in range(10)]
    for tag in tags:
        ask(scripted, Script(tag=tag, text="ok"))
    assert len({str(scripted_triton.journal.tensors(tag)["random_seed"]) for tag in tags}) == len(tags)


def test_the_rest_of_the_context_is_the_default_limit(scripted: Gateway, scripted_triton: ScriptedTriton) -> None:
    answer = ask(scripted, Script(tag="rest", text="ok"))
    sent = scripted_triton.journal.tensors("rest")["request_output_len"]
    assert sent == [[2048 - answer.usage["prompt_tokens"]]]


def test_a_conversation_is_the_same_ids_on_every_route(scripted: Gateway, scripted_triton: ScriptedTriton) -> None:
    for route in ROUTES:
        ask(scripted, Script(tag="same", text="ok"), model=route)
    records = scripted_triton.journal.records("same", "start")
    assert len(records) == len(ROUTES)
    assert len({str(record["tensors"]["input_ids"]["values"]) for record in records}) == 1


@pytest.fixture
def sdk(scripted: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=scripted.api, api_key="none", max_retries=0) as client:
        yield client


@every_route
def test_the_sdk(sdk: OpenAI, route: str) -> None:
    script = messages(Script(text="你好, world"))
    whole: Any = sdk.chat.completions.create(model=route, messages=script)  # type: ignore[arg-type]
    assert whole.choices[0].message.content == "你好, world"
    assert (whole.object, whole.choices[0].finish_reason) == ("chat.completion", "stop")
    assert whole.id.startswith("chatcmpl-")
    assert whole._request_id
    with sdk.chat.completions.stream(model=route, messages=script) as stream:  # type: ignore[arg-type]
        stream.until_done()
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "你好, world"


@every_route
async def test_the_async_sdk(scripted: Gateway, route: str) -> None:
    async with AsyncOpenAI(base_url=scripted.api, api_key="none", max_retries=0) as client:
        script: Any = messages(Script(text="你好, world"))
        whole = await client.chat.completions.create(model=route, messages=script)
        assert whole.choices[0].message.content == "你好, world"
        stream = await client.chat.completions.create(model=route, messages=script, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == "你好, world"


def test_the_sdk_s_errors(sdk: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="'nobody' does not exist") as missing:
        sdk.chat.completions.create(model="nobody", messages=messages("x"))  # type: ignore[arg-type]
    assert missing.value.code == "model_not_found"
    with pytest.raises(BadRequestError) as bad:
        sdk.chat.completions.create(model="direct", messages=messages("x"), temperature=5)  # type: ignore[arg-type]
    assert bad.value.param == "temperature"
    with pytest.raises(BadRequestError) as long:
        sdk.chat.completions.create(model="direct", messages=messages("word " * 3000))  # type: ignore[arg-type]
    assert long.value.code == "context_length_exceeded"


@every_route
def test_an_engine_error_before_the_first_token_has_a_status(scripted: Gateway, route: str) -> None:
    body = {"model": route, "messages": messages(Script(error_at_start=True, error="no room left")), "stream": True}
    reply = httpx.post(f"{scripted.api}/chat/completions", json=body, timeout=30)
    assert (reply.status_code, reply.json()["error"]["type"]) == (502, "server_error")
    assert "no room left" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("route", "message"),
    [("direct", "the engine broke"), ("ensemble", "the engine broke"), ("bls", "stopped answering")],
)
def test_an_engine_error_in_a_stream_is_one_frame_and_the_end(scripted: Gateway, route: str, message: str) -> None:
    script = Script(text="one two three four", error_after=6, delay_ms=30, error="the engine broke")
    body = {"model": route, "messages": messages(script), "stream": True}
    reply = httpx.post(f"{scripted.api}/chat/completions", json=body, timeout=30)
    assert reply.status_code == 200
    *chunks, error, done = events(reply.text)
    assert done == "[DONE]"
    assert set(error) == {"error"}
    assert message in error["error"]["message"]
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)


def test_the_sdk_raises_an_error_of_a_stream(sdk: OpenAI) -> None:
    script: Any = messages(Script(text="one two three", error_after=2, error="the engine broke"))
    with pytest.raises(APIError, match="the engine broke"):
        list(sdk.chat.completions.create(model="direct", messages=script, stream=True))


@every_route
async def test_64_streams_at_once_keep_apart(scripted: Gateway, route: str) -> None:
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as client:

        async def one(number: int) -> str:
            text = f"第{number}个 stream 聪 {number * 7919}"
            body = {"model": route, "messages": messages(Script(text=text, delay_ms=5)), "stream": True}
            reply = await client.post(f"{scripted.api}/chat/completions", json=body)
            assert reply.status_code == 200, reply.text
            chunks = [chunk for chunk in events(reply.text) if chunk != "[DONE]"]
            assert len({chunk["id"] for chunk in chunks}) == 1
            return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)

        answers = await asyncio.gather(*(one(number) for number in range(64)))
    assert answers == [f"第{number}个 stream 聪 {number * 7919}" for number in range(64)]
