"""Requests leave nothing for Python's collector, which would hold all streams up while it looks for it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtest.engine.script import Script
from loadtest.written import whole_lines
from tests.gateway.asking import RawClient, messages
from tests.gateway.programs.collecting import MARK
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton
from tests.support.waiting import until

# What 3.10's own asyncio and contextlib leave where a task is cancelled or fails, nobody but the collector finds.
newer_python = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 leaves cycles after errors itself")
FAIL = ("fails-at-once", "fails-at-once-streamed")

PROGRAM = Path(__file__).with_name("programs") / "collecting.py"
TIMES = 10
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("collecting")
    config = gateway_toml(
        folder / "gateway.toml", scripted_triton.grpc, tokenizer.path, max_model_len=512, routes=["direct"]
    )
    with gateway_serving(folder / "log", "--config", str(config), program=(sys.executable, str(PROGRAM))) as gateway:
        yield gateway


def said(gateway: Gateway) -> list[Any]:
    return [json.loads(line.removeprefix(MARK)) for line in whole_lines(gateway.log) if line.startswith(MARK)]


def garbage(gateway: Gateway, request: Callable[[], object]) -> dict[str, int]:
    """What so many requests left behind, by type."""
    request()  # what is made once, at the first, is none
    settled(gateway)
    before = len(said(gateway))
    gateway.process.send_signal(signal.SIGUSR1)
    until(lambda: len(said(gateway)) == before + 1)
    for _ in range(TIMES):
        request()
    settled(gateway)
    gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: len(said(gateway)) == before + 2)
    kinds: dict[str, int] = said(gateway)[-1]["kinds"]
    return kinds


def settled(gateway: Gateway) -> None:
    """All requests are over, and their connections closed."""
    until(lambda: gateway.metric("gateway_requests_in_flight", model="direct") == 0)


def chat(script: Script, **fields: Any) -> dict[str, Any]:
    return {"model": "direct", "messages": messages(script), **fields}


SHORT = Script(text="one two three four five")
BODIES: dict[str, dict[str, Any]] = {
    "streamed": chat(SHORT, stream=True),
    "collected": chat(SHORT),
    "several": chat(SHORT, n=3, stream=True),
    "stopped": chat(SHORT, stop=["three"], stream=True),
    "log-probabilities": chat(SHORT, logprobs=True, top_logprobs=2, stream=True),
    "tools": chat(
        Script(text='<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>'), tools=[WEATHER], stream=True
    ),
    "unknown-model": chat(SHORT) | {"model": "none"},
    "wrong-field": chat(SHORT, temperature=-1),
    "long-wrong-field": chat(SHORT, temperature=-1, user="x" * 300_000),
    "larger-than-taken": chat(SHORT, user="x" * 17_000_000),
    "too-long": chat(SHORT, max_tokens=10_000),
    "fails-at-once": chat(Script(error_at_start=True)),
    "fails-at-once-streamed": chat(Script(error_at_start=True), stream=True),
    "fails-later": chat(Script(text="one two three four", error_after=2, delay_ms=5), stream=True),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[newer_python] * (name in FAIL)) for name in BODIES])
def test_a_request_leaves_nothing(gateway: Gateway, name: str) -> None:
    def request() -> None:
        httpx.post(f"{gateway.api}/chat/completions", json=BODIES[name], timeout=30)

    assert garbage(gateway, request) == {}


def test_no_json(gateway: Gateway) -> None:
    def request() -> None:
        assert httpx.post(f"{gateway.api}/chat/completions", content=b"{" * 300_000, timeout=30).status_code == 400

    assert garbage(gateway, request) == {}


@newer_python
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "collected"])
def test_a_client_that_left_leaves_nothing(gateway: Gateway, scripted_triton: ScriptedTriton, stream: bool) -> None:
    count = 0

    def request() -> None:
        nonlocal count
        count += 1
        tag = f"garbage-{stream}-{count}"
        client = RawClient(gateway, chat(Script(tag=tag, text="one two three", hang_after=2), stream=stream))
        scripted_triton.journal.wait_for(tag, "hang")
        client.leave()
        scripted_triton.journal.wait_for(tag, "end")

    assert garbage(gateway, request) == {}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nothing", "/metrics", "/readyz"])
def test_other_paths(gateway: Gateway, path: str) -> None:
    assert garbage(gateway, lambda: httpx.get(gateway.url + path, timeout=30)) == {}


def test_what_is_no_http(gateway: Gateway) -> None:
    """Bytes that the parser refuses."""

    def request() -> None:
        client = RawClient(gateway, chat(SHORT), path="/ nonsense \x01")
        client.read_to_end()

    assert garbage(gateway, request) == {}
