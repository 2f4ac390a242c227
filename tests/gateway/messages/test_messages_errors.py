"""What goes wrong between Anthropic's own client and a tritonserver: refusals, failures, and clients that leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from loadtest.engine.script import Script
from model_repo_builder.ports import Ports
from tests.gateway.asking import RawClient, messages
from tests.gateway.messages.asking import WEATHER, ask, both
from tests.support.gateway import Gateway, gateway_serving
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

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
    client.leave()
    # A gRPC cancel would come too, for what does not stop in time.
    assert scripted_triton.journal.wait_for(tag, "cancel")["how"] == "stop"


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
