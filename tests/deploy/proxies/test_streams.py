"""What passes through each proxy, in front of real gateways and engines: tokens as they are made, silence, big bodies.

Nothing is timed. That a token came before the next one was made is sure where the engine never makes the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.settings.server import ServerSettings
from loadtest.ask import CHAT
from loadtest.faults.stage import LETTERS
from loadtest.proxies import Proxy
from tests.deploy.proxies.client import DONE, KEY, Asked, scripted, text_of, whole
from tests.deploy.proxies.conftest import LIMITED, Stage
from tests.support.waiting import wait_for

LIMIT = ServerSettings().max_body_bytes


@pytest.mark.parametrize("count", [1, 2, 7], ids=lambda count: f"{count}-tokens")
def test_each_token_arrives_before_the_next_is_made(stage: Stage, proxy: Proxy, count: int) -> None:
    tag = f"unbuffered-{proxy.name}-{count}"
    asked = Asked(proxy.url, scripted(tag, hang_after=count))
    assert asked.text(count) == LETTERS[:count]
    assert stage.wait(tag, "hang")["emitted"] == count
    assert not stage.records(tag, "end")
    asked.leave()
    assert stage.wait(tag, "end")["reason"] == "cancel"


def test_frames_are_those_of_the_gateway(stage: Stage, proxy: Proxy) -> None:
    # Tokens that come together are one frame, as two do once the gateway is held up for longer than they are apart.
    direct = Asked(stage.gateways[0].url, scripted("frames-direct", delay_ms=150))
    passed = Asked(proxy.url, scripted(f"frames-{proxy.name}", delay_ms=150))
    assert passed.reply.getheader("content-type") == direct.reply.getheader("content-type")
    assert passed.reply.getheader("content-encoding") is None
    frames = [_lasting(asked.events()) for asked in (direct, passed)]
    assert frames[0] == frames[1]
    assert len(frames[0]) > len(LETTERS)


def _lasting(events: list[Any]) -> list[Any]:
    """Without what is of one answer only."""
    return [event if event == DONE else {**event, "id": "", "created": 0} for event in events]


@pytest.mark.parametrize("body", [scripted, whole], ids=["streamed", "whole"])
@pytest.mark.parametrize("how", ["leave", "close"])
def test_a_client_that_leaves_before_the_first_token(stage: Stage, proxy: Proxy, body: Any, how: str) -> None:
    tag = f"left-{how}-{body.__name__}-{proxy.name}"
    asked = Asked(proxy.url, body(tag, first_delay_ms=60_000))
    stage.wait(tag, "start")
    getattr(asked, how)()
    assert stage.wait(tag, "cancel")["emitted"] == 0


def test_a_silent_prefill(stage: Stage) -> None:
    """Short, to see that it passes at all; ``test_silence`` has it at full length."""
    asked = {
        f"{proxy.name} {make.__name__}": Asked(proxy.url, make(f"{make.__name__}-{proxy.name}", first_delay_ms=2500))
        for proxy in stage.proxies.values()
        for make in (scripted, whole)
    }
    assert {name: text_of(each) for name, each in asked.items()} == dict.fromkeys(asked, LETTERS)


def test_the_largest_body(proxy: Proxy) -> None:
    body = whole(f"large-{proxy.name}")
    asked = Asked(proxy.url, body + b" " * (LIMIT - len(body)))
    assert text_of(asked) == LETTERS


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("over", [1, 10 * 2**20], ids=["by-a-byte", "by-much"])
def test_a_body_that_is_too_large(stage: Stage, proxy: Proxy, chunked: bool, over: int) -> None:
    tag = f"too-large-{chunked}-{over}-{proxy.name}"
    body = whole(tag)
    body += b" " * (LIMIT + over - len(body))
    reply = httpx.post(
        f"{proxy.url}{CHAT}",
        content=_pieces(body) if chunked else body,
        headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        timeout=20,
    )
    assert reply.status_code == 413
    assert f"larger than the {LIMIT} bytes" in reply.json()["error"]["message"]
    assert not stage.records(tag, "start")


def _pieces(body: bytes) -> Iterator[bytes]:
    return (body[start : start + 65536] for start in range(0, len(body), 65536))


def test_a_refusal_for_a_rate_passes_with_its_headers(proxy: Proxy) -> None:
    for number in range(3):  # each of two gateways lets one through
        asked = Asked(proxy.url, whole(f"rate-{proxy.name}-{number}"), headers={"authorization": f"Bearer {LIMITED}"})
        body = asked.body()
    assert asked.status == 429
    assert 1 <= int(asked.reply.getheader("retry-after", "")) <= 60
    assert asked.reply.getheader("x-ratelimit-limit-requests") == "1"
    assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"


def test_a_wrong_key(proxy: Proxy) -> None:
    asked = Asked(proxy.url, whole(f"key-{proxy.name}"), headers={"authorization": "Bearer nobody"})
    assert (asked.status, asked.reply.getheader("www-authenticate")) == (401, "Bearer")
    asked.body()


@pytest.mark.parametrize("given", ["id-of-the-client", ""], ids=["given", "made"])
def test_the_request_id(stage: Stage, proxy: Proxy, given: str) -> None:
    given = given and f"{given}-{proxy.name}"
    asked = Asked(proxy.url, whole(f"id-{bool(given)}-{proxy.name}"), headers={"x-request-id": given} if given else {})
    asked.body()
    found = asked.reply.getheader("x-request-id", "")
    assert found == given or (not given and len(found) >= 32)
    assert not found.startswith("req_"), "the gateway made it, and the proxy's log has another"
    words = {proxy.log: f'"request_id":"{found}"', **{gateway.log: f"{found} POST" for gateway in stage.gateways}}
    wait_for(lambda: sum(text in log.read_text("utf-8") for log, text in words.items()) == 2, 5, "both logs have it")


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/debug/endpoints",
        "/docs",
        "/gateway/readyz",
        "//metrics",
        "/%6detrics",
        "/v1/../metrics",
        "/v1/%2e%2e/metrics",
        "/v1/..%2fmetrics",
        "/v1%2f..%2fmetrics",
        "/v1/./../debug/endpoints",
        "/v1/%252e%252e/metrics",
        "/",
    ],
)
def test_what_is_not_for_the_outside(proxy: Proxy, path: str) -> None:
    asked = Asked(proxy.url, b"", path=path, method="GET")
    body = asked.body()
    assert asked.status in (400, 404), body
    assert b"127.0.0.1" not in body


def test_readiness_says_nothing_of_what_is_behind(proxy: Proxy) -> None:
    asked = Asked(proxy.url, b"", path="/readyz", method="GET", headers={"authorization": ""})
    assert asked.status == 200
    assert b"127.0.0.1" not in asked.body()


def test_the_list_of_models(proxy: Proxy) -> None:
    asked = Asked(proxy.url, b"", path="/v1/models", method="GET")
    assert [model["id"] for model in json.loads(asked.body())["data"]] == ["scripted"]
