"""Anthropic's own client in front of a real gateway and a real tritonserver: what it asks for, and what it gets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.gateway.messages.asking import WEATHER, ask, blocks, both, every_route, seen
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

# What Qwen3's template adds: a switch that closes the thought before it begins.
THINKING = (
    "{%- if enable_thinking is defined and not enable_thinking -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}"
)


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


def test_a_count_reaches_past_the_context(client: anthropic.Anthropic) -> None:
    turns: Any = [{"role": "user", "content": "word " * 2500}]
    assert client.messages.count_tokens(model="direct", messages=turns).input_tokens > 2048


def test_a_count_sees_tools_and_system(client: anthropic.Anthropic) -> None:
    turns: Any = messages("x")
    bare = client.messages.count_tokens(model="direct", messages=turns).input_tokens
    tools: Any = [WEATHER]
    more = client.messages.count_tokens(model="direct", messages=turns, tools=tools, system="Be brief.").input_tokens
    assert more > bare + 20
