"""Anthropic's own client in front of a real gateway and a real tritonserver."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from loadtest.engine.script import Script, script_text
from tests.gateway.asking import RawClient, messages
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import Ports, ScriptedTriton

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
every_route = pytest.mark.parametrize("route", ["direct", "ensemble", "bls"])

WEATHER = {
    "name": "天气",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
CALL = '<tool_call>\n{"name": "天气", "arguments": {"city": "聪明 \\"x\\""}}\n</tool_call>'
CALL_TIME = '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>'

# What Qwen3's template adds: a switch that closes the thought before it begins.
THINKING = (
    "{%- if enable_thinking is defined and not enable_thinking -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}"
)


@pytest.fixture(scope="module")
def client(scripted: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=scripted.url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def thinker(
    tmp_path_factory: pytest.TempPathFactory, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[anthropic.Anthropic]:
    """A client of a gateway whose template knows thinking."""
    folder = tmp_path_factory.mktemp("thinking")
    shutil.copytree(tokenizer.path, folder / "tokenizer")
    config = folder / "tokenizer" / "tokenizer_config.json"
    settings = json.loads(config.read_text("utf-8"))
    settings["chat_template"] += THINKING
    config.write_text(json.dumps(settings, ensure_ascii=False), "utf-8")
    toml = gateway_toml(
        folder / "gateway.toml", scripted_triton.grpc, folder / "tokenizer", max_model_len=2048, routes=["direct"]
    )
    with (
        gateway_serving(folder / "gateway.log", "--config", str(toml)) as gateway,
        anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0) as client,
    ):
        yield client


def ask(client: anthropic.Anthropic, script: Script | list[Any], *, stream: bool, **fields: Any) -> Any:
    """The message, as the SDK has it. ``script``: what the engine shall do, or the whole history."""
    turns = messages(script) if isinstance(script, Script) else script
    given: dict[str, Any] = {"model": "direct", "max_tokens": 500, "messages": turns, **fields}
    if not stream:
        return client.messages.create(**given)
    with client.messages.stream(**given) as events:
        return events.get_final_message()


def blocks(message: Any) -> list[dict[str, Any]]:
    """The content, without the fields that the SDK adds."""
    kept = ("type", "text", "thinking", "signature", "id", "name", "input")
    return [{name: value for name, value in block.to_dict().items() if name in kept} for block in message.content]


@both
@every_route
def test_text_arrives_as_it_was_meant(client: anthropic.Anthropic, route: str, stream: bool) -> None:
    script = Script(text='聪明的龘 says "hi"\n\n👨‍👩‍👧', chunk=2)
    message = ask(client, script, stream=stream, model=route)
    assert blocks(message) == [{"type": "text", "text": script.text}]
    assert (message.model, message.role, message.stop_reason) == (route, "assistant", "end_turn")
    assert message.id.startswith("msg_")


@both
@every_route
def test_counts_are_the_same_everywhere(client: anthropic.Anthropic, route: str, stream: bool) -> None:
    turns: Any = messages(Script(ids=[40, 41, 42]))
    message = ask(client, turns, stream=stream, model=route, system="Be brief.")
    counted = client.messages.count_tokens(model=route, messages=turns, system="Be brief.")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (counted.input_tokens, 3)


def test_the_stream_begins_with_the_count_of_the_prompt(client: anthropic.Anthropic) -> None:
    turns: Any = messages(Script(text="one two"))
    counted = client.messages.count_tokens(model="direct", messages=turns)
    with client.messages.stream(model="direct", max_tokens=9, messages=turns) as events:
        first = next(iter(events))
    assert first.type == "message_start"
    assert first.message.usage.input_tokens == counted.input_tokens


@both
@pytest.mark.parametrize(
    ("script", "fields", "reason", "sequence", "text"),
    [
        pytest.param(Script(text="a b ### c"), {"stop_sequences": ["###"]}, "stop_sequence", "###", "a b ", id="stop"),
        pytest.param(Script(ids=[40] * 9), {"max_tokens": 2}, "max_tokens", None, None, id="as-many-as-asked"),
        pytest.param(Script(text="ok"), {"max_tokens": 20_000}, "end_turn", None, "ok", id="more-than-room"),
        pytest.param(
            Script(ids=[40], repeat=True, chunk=200),
            {"max_tokens": 20_000},
            "model_context_window_exceeded",
            None,
            None,
            id="context-full",
        ),
        pytest.param(Script(), {}, "end_turn", None, "", id="empty"),
    ],
)
def test_why_it_ended(
    client: anthropic.Anthropic,
    stream: bool,
    script: Script,
    fields: dict[str, Any],
    reason: str,
    sequence: str | None,
    text: str | None,
) -> None:
    message = ask(client, script, stream=stream, **fields)
    assert (message.stop_reason, message.stop_sequence) == (reason, sequence)
    if text is not None:
        assert "".join(block.text for block in message.content) == text
    if reason == "model_context_window_exceeded":
        assert message.usage.input_tokens + message.usage.output_tokens == 2048


@both
@every_route
def test_calls(client: anthropic.Anthropic, route: str, stream: bool) -> None:
    script = Script(text=f"Let me see.\n{CALL}\n{CALL_TIME}", chunk=2)
    message = ask(client, script, stream=stream, model=route, tools=[WEATHER, TIME])
    text, weather, clock = blocks(message)
    assert text == {"type": "text", "text": "Let me see."}
    assert (weather["name"], weather["input"]) == ("天气", {"city": '聪明 "x"'})
    assert (clock["name"], clock["input"]) == ("clock", {})
    assert weather["id"] != clock["id"]
    assert message.stop_reason == "tool_use"


@both
def test_one_call_where_several_are_not_wanted(client: anthropic.Anthropic, stream: bool) -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    script = Script(text=f"{CALL}\n{CALL_TIME}")
    message = ask(client, script, stream=stream, tools=[WEATHER, TIME], tool_choice=choice)
    assert [block["name"] for block in blocks(message)] == ["天气"]


@both
def test_a_tool_that_is_named_must_be_used(client: anthropic.Anthropic, stream: bool) -> None:
    script = Script(text=CALL)
    choice = {"type": "tool", "name": "天气"}
    message = ask(client, script, stream=stream, tools=[WEATHER, TIME], tool_choice=choice)
    assert [(block["name"], block["input"]) for block in blocks(message)] == [("天气", {"city": '聪明 "x"'})]
    assert message.stop_reason == "tool_use"


@both
def test_some_tool_must_be_used(client: anthropic.Anthropic, stream: bool) -> None:
    script = Script(text=CALL_TIME)
    message = ask(client, script, stream=stream, tools=[WEATHER, TIME], tool_choice={"type": "any"})
    assert [block["name"] for block in blocks(message)] == ["clock"]


@both
def test_tools_that_must_not_be_used_are_text(client: anthropic.Anthropic, stream: bool) -> None:
    message = ask(client, Script(text=CALL), stream=stream, tools=[WEATHER], tool_choice={"type": "none"})
    assert blocks(message) == [{"type": "text", "text": CALL}]


@both
def test_an_agents_loop(
    client: anthropic.Anthropic, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder, stream: bool
) -> None:
    """What the model said goes back as the SDK has it, with the tool's answer; the prompt holds both."""
    turns: list[Any] = messages(Script(text=f"Let me see.\n{CALL}"))
    first = ask(client, turns, stream=stream, tools=[WEATHER])
    call = next(block for block in first.content if block.type == "tool_use")
    script = Script(tag=f"loop-{stream}", text="Sunny.")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "21°"}]}
    more = {"type": "text", "text": script_text(script)}
    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [more, result]}]
    assert blocks(ask(client, turns, stream=stream, tools=[WEATHER])) == [{"type": "text", "text": "Sunny."}]
    prompt = seen(scripted_triton, tokenizer, script.tag)
    assert prompt.endswith(
        "<|im_start|>assistant\nLet me see.\n"
        '<tool_call>\n{"name": "天气", "arguments": {"city": "聪明 \\"x\\""}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n21°\n</tool_response><|im_end|>\n"
        f"<|im_start|>user\n{more['text']}<|im_end|>\n<|im_start|>assistant\n"
    )


def seen(triton: ScriptedTriton, tokenizer: TokenizerFolder, tag: str) -> str:
    """The prompt that the engine got."""
    ids = triton.journal.wait_for(tag, "start")["tensors"]["input_ids"]["values"]
    return tokenizer.load().decode(ids[0] if isinstance(ids[0], list) else ids, skip_special_tokens=False)


@both
def test_the_answer_goes_on_where_the_last_turn_ends(
    client: anthropic.Anthropic, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder, stream: bool
) -> None:
    script = Script(tag=f"goes-on-{stream}", text="B)")
    turns = [*messages(script), {"role": "assistant", "content": "The answer is ("}]
    assert blocks(ask(client, turns, stream=stream)) == [{"type": "text", "text": "B)"}]
    assert seen(scripted_triton, tokenizer, script.tag).endswith("assistant\nThe answer is (")


@both
@pytest.mark.parametrize("display", ["summarized", "omitted"])
def test_thinking(thinker: anthropic.Anthropic, stream: bool, display: str) -> None:
    script = Script(text="<think>\n2 + 2\n</think>\n\n4", chunk=1)
    message = ask(thinker, script, stream=stream, thinking={"type": "adaptive", "display": display})
    shown = "2 + 2" if display == "summarized" else ""
    assert blocks(message) == [
        {"type": "thinking", "thinking": shown, "signature": "unsigned"},
        {"type": "text", "text": "4"},
    ]
    assert message.usage.output_tokens_details.thinking_tokens > 0
    back = [*messages("x"), {"role": "assistant", "content": message.content}, *messages(Script(text="fine"))]
    assert ask(thinker, back, stream=stream).content[0].text == "fine"


@both
def test_no_thinking(
    thinker: anthropic.Anthropic, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder, stream: bool
) -> None:
    script = Script(tag=f"no-thinking-{stream}", text="4")
    message = ask(thinker, script, stream=stream, thinking={"type": "disabled"})
    assert blocks(message) == [{"type": "text", "text": "4"}]
    assert seen(scripted_triton, tokenizer, script.tag).endswith("<think>\n\n</think>\n\n")


@both
def test_what_nobody_hears_is_named(scripted: Gateway, stream: bool) -> None:
    body = {
        "model": "direct",
        "max_tokens": 2000,
        "messages": messages(Script(text="x")),
        "stream": stream,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "something_new": 1,
    }
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", "anthropic-beta": "a,b"}
    reply = httpx.post(f"{scripted.api}/messages?beta=true", json=body, headers=headers, timeout=30)
    assert reply.status_code == 200, reply.text
    named = reply.headers["x-ignored-fields"]
    assert named == "something_new, thinking.budget_tokens, output_config.effort, thinking"
    assert reply.headers["request-id"] == reply.headers["x-request-id"]


def test_the_beta_client(client: anthropic.Anthropic) -> None:
    turns: Any = messages(Script(text="x"))
    message = client.beta.messages.create(
        model="direct", max_tokens=9, messages=turns, betas=["interleaved-thinking-2025-05-14"]
    )
    assert message.content[0].to_dict()["text"] == "x"


REFUSED = [
    pytest.param({"model": "other"}, anthropic.NotFoundError, "not_found_error", "'other' does not exist", id="model"),
    pytest.param(
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]},
        anthropic.BadRequestError,
        "invalid_request_error",
        r"'messages\[0\].content\[0\]': 'image' blocks are not supported",
        id="image",
    ),
    pytest.param(
        {"messages": [{"role": "user", "content": "word " * 4000}]},
        anthropic.BadRequestError,
        "invalid_request_error",
        "^(?s:.*)prompt is too long: This model's maximum context length is 2048 tokens",
        id="context",
    ),
    pytest.param(
        {"tools": [WEATHER, WEATHER]}, anthropic.BadRequestError, "invalid_request_error", "'天气'", id="doubled-tool"
    ),
    pytest.param(
        {
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "tools": [WEATHER],
            "tool_choice": {"type": "any"},
        },
        anthropic.BadRequestError,
        "invalid_request_error",
        r"'output_config\.format' and 'tool_choice' both say",
        id="a-field-by-its-own-name",
    ),
    pytest.param(
        {"messages": messages(Script(error_at_start=True))},
        anthropic.InternalServerError,
        "api_error",
        "scripted failure",
        id="engine-fails-at-once",
    ),
]


@both
@pytest.mark.parametrize(("fields", "error", "kind", "message"), REFUSED)
def test_errors(
    client: anthropic.Anthropic, stream: bool, fields: dict[str, Any], error: type[Exception], kind: str, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        ask(client, messages("x"), stream=stream, **fields)
    assert isinstance(caught.value, anthropic.APIStatusError)
    body: Any = caught.value.body
    assert body["error"]["type"] == kind
    assert body["request_id"] == caught.value.request_id


def test_an_error_after_the_stream_began(client: anthropic.Anthropic) -> None:
    seen = ""
    with pytest.raises(anthropic.APIStatusError, match="scripted failure") as caught:  # noqa: SIM117, PT012
        with client.messages.stream(
            model="direct",
            max_tokens=99,
            messages=messages(Script(text="one two three", error_after=2)),  # type: ignore[arg-type]
        ) as events:
            for text in events.text_stream:
                seen += text
    assert seen
    assert caught.value.body["error"]["type"] == "api_error"  # type: ignore[call-overload, index]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/messages", 405, "invalid_request_error"),
        ("POST", "/messages/batches", 404, "not_found_error"),
        ("GET", "/messages/count_tokens", 405, "invalid_request_error"),
    ],
)
def test_wrong_addresses(scripted: Gateway, method: str, path: str, status: int, kind: str) -> None:
    reply = httpx.request(method, f"{scripted.api}{path}", timeout=30)
    assert (reply.status_code, reply.json()["error"]["type"]) == (status, kind)
    assert reply.json()["request_id"] == reply.headers["request-id"]


def test_a_count_reaches_past_the_context(client: anthropic.Anthropic) -> None:
    turns: Any = [{"role": "user", "content": "word " * 2500}]
    assert client.messages.count_tokens(model="direct", messages=turns).input_tokens > 2048


def test_a_count_sees_tools_and_system(client: anthropic.Anthropic) -> None:
    turns: Any = messages("x")
    bare = client.messages.count_tokens(model="direct", messages=turns).input_tokens
    tools: Any = [WEATHER]
    more = client.messages.count_tokens(model="direct", messages=turns, tools=tools, system="Be brief.").input_tokens
    assert more > bare + 20


@both
def test_the_engine_sees_that_the_client_left(scripted: Gateway, scripted_triton: ScriptedTriton, stream: bool) -> None:
    tag = f"message-{stream}"
    body = {
        "model": "direct",
        "max_tokens": 99,
        "messages": messages(Script(tag=tag, text="one two three", hang_after=2)),
        "stream": stream,
    }
    client = RawClient(scripted, body, path="/v1/messages")
    scripted_triton.journal.wait_for(tag, "hang")
    left = time.time()
    client.leave()
    assert scripted_triton.journal.wait_for(tag, "cancel")["time"] - left < 0.3


def test_triton_away_is_overloaded_and_says_when_to_try_again(tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    flags = ["--triton", f"127.0.0.1:{Ports.free().grpc}", "--tokenizer", str(tokenizer.path), "--model", "q"]
    with (
        gateway_serving(tmp_path / "log", *flags, "--max-model-len", "2048") as gateway,
        anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0) as client,
    ):
        with pytest.raises(anthropic.InternalServerError) as caught:
            ask(client, Script(), stream=True, model="q")
        assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (529, "1")
        assert caught.value.body["error"]["type"] == "overloaded_error"  # type: ignore[call-overload, index]
        turns: Any = messages("A count needs no engine.")
        assert client.messages.count_tokens(model="q", messages=turns).input_tokens > 0


SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


@both
def test_a_real_engine_is_held_to_schemas(served: Gateway, stream: bool) -> None:
    """A tiny Qwen with random weights says nothing sensible, but in the form that was asked for."""
    greedy = {"temperature": 0}  # which the SDK no longer has a name for
    with anthropic.Anthropic(base_url=served.url, api_key="none", max_retries=0) as client:
        config = {"format": {"type": "json_schema", "schema": SCHEMA}}
        message = ask(client, messages("Yes?"), stream=stream, output_config=config, extra_body=greedy)
        assert set(json.loads(message.content[0].text)) == {"ok"}
        tool = {"name": "answer", "input_schema": SCHEMA}
        choice = {"type": "any", "disable_parallel_tool_use": True}
        message = ask(client, messages("Yes?"), stream=stream, tools=[tool], tool_choice=choice, extra_body=greedy)
        assert [(block["name"], set(block["input"])) for block in blocks(message)] == [("answer", {"ok"})]
        assert message.stop_reason == "tool_use"
