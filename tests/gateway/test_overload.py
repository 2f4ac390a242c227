"""More requests than the engines take: who is let in is served well, who waits is told for how long, the rest go away
knowing when to come again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import RawClient, messages
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton
from tests.support.waiting import until

CAPACITY, PLACES = 2, 4
PATIENCE = 30.0  # seconds for anything that is expected to happen


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("overload")
    config = gateway_toml(
        folder / "gateway.toml", scripted_triton.grpc, tokenizer.path, max_model_len=2048, routes=["direct"]
    )
    bounds = f"[balance]\nmax_requests = {CAPACITY}\n[admission]\nqueue_requests = {PLACES}\n"
    config.write_text(f"{config.read_text()}\n{bounds}")
    with gateway_serving(folder / "log", "--config", str(config)) as gateway:
        yield gateway


def body(tag: str, stream: bool = False, **knobs: Any) -> dict[str, Any]:
    return {"model": "direct", "messages": messages(Script(tag=tag, **knobs)), "stream": stream}


async def post(client: httpx.AsyncClient, gateway: Gateway, body: dict[str, Any]) -> httpx.Response:
    return await client.post(f"{gateway.api}/chat/completions", json=body, timeout=PATIENCE)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "collected"])
async def test_ten_times_what_the_engines_take(gateway: Gateway, stream: bool) -> None:
    whole = body(f"burst-{stream}", stream, text="one two three", delay_ms=20)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as client:
        replies = await asyncio.gather(*(post(client, gateway, whole) for _ in range(10 * CAPACITY)))
    statuses = Counter(reply.status_code for reply in replies)
    assert set(statuses) == {200, 503}
    assert CAPACITY + PLACES <= statuses[200] < 10 * CAPACITY
    for reply in replies:
        if reply.status_code == 503:
            assert 1 <= int(reply.headers["retry-after"]) <= 60
            assert reply.json()["error"]["code"] == "overloaded"
        else:
            assert "three" in reply.text
    waits = sorted(float(reply.headers["x-queue-time-ms"]) for reply in replies if reply.status_code == 200)
    assert waits[0] == 0
    assert waits[-1] > 0
    assert gateway.metric("gateway_queue_requests", model="direct") == 0
    assert gateway.metric("gateway_requests_in_flight", model="direct") == 0


ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": messages("hi")},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": messages("hi"), "max_tokens": 5},
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "collected"])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_endpoint_tells_the_time_in_the_queue(gateway: Gateway, path: str, stream: bool) -> None:
    asked = {"model": "direct", "stream": stream, **ENDPOINTS[path]}
    reply = httpx.post(f"{gateway.url}{path}", json=asked, timeout=PATIENCE)
    assert (reply.status_code, reply.headers["x-queue-time-ms"]) == (200, "0"), reply.text


def test_who_leaves_the_queue_never_reaches_the_engine(gateway: Gateway, scripted_triton: ScriptedTriton) -> None:
    journal = scripted_triton.journal
    running = [RawClient(gateway, body(f"holds-{n}", True, text="x", hang_after=0)) for n in range(CAPACITY)]
    for n in range(CAPACITY):
        journal.wait_for(f"holds-{n}", "hang")
    left = gateway.metric("gateway_not_admitted_total", model="direct", reason="left")
    waiting = RawClient(gateway, body("left-the-queue", text="x"))
    until(lambda: gateway.metric("gateway_queue_requests", model="direct") == 1)
    waiting.leave()
    until(lambda: gateway.metric("gateway_queue_requests", model="direct") == 0)
    assert gateway.metric("gateway_not_admitted_total", model="direct", reason="left") == left + 1
    for client in running:
        client.leave()
    after = httpx.post(f"{gateway.api}/chat/completions", json=body("after", text="served"), timeout=PATIENCE)
    assert after.json()["choices"][0]["message"]["content"] == "served"
    assert not journal.records("left-the-queue")


def test_the_queue_moves_on_when_one_that_runs_is_cancelled(gateway: Gateway, scripted_triton: ScriptedTriton) -> None:
    running = [RawClient(gateway, body(f"ends-{n}", True, text="x", hang_after=0)) for n in range(CAPACITY)]
    for n in range(CAPACITY):
        scripted_triton.journal.wait_for(f"ends-{n}", "hang")
    waiting = RawClient(gateway, body("moves-on", text="at last"))
    until(lambda: gateway.metric("gateway_queue_requests", model="direct") == 1)
    running.pop().leave()
    waiting.read_until(b"at last")
    for client in (*running, waiting):
        client.leave()
