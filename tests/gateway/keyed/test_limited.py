"""Limits of real gateways: what clients see, what is counted, and how gateways count together."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import openai
import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.gateway.keyed.gateways import KEYS, SECONDS, Keyed, Start
from tests.support.redis import RedisServer, redis_server
from tests.support.triton import ScriptedTriton
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def limits(reply: httpx.Response) -> dict[str, str]:
    found = {name.removeprefix("x-ratelimit-"): value for name, value in reply.headers.items() if "ratelimit" in name}
    return {name: value for name, value in found.items() if not name.startswith("reset")}


def test_a_limit_of_requests(keyed: Keyed) -> None:
    replies = [keyed.chat("bob") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert [limits(reply)["remaining-requests"] for reply in replies] == ["1", "0", "0"]
    error = replies[2].json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(replies[2].headers["retry-after"]) <= 60
    assert replies[2].headers["x-ratelimit-reset-requests"]
    headers = {"x-api-key": KEYS["bob"]}
    assert httpx.get(f"{keyed.gateway.api}/models", headers=headers, timeout=30).status_code == 200, "costs nothing"
    claude = httpx.post(f"{keyed.gateway.api}/messages", json={}, headers=headers, timeout=30)
    assert (claude.status_code, claude.json()["error"]["type"]) == (429, "rate_limit_error")
    assert keyed.gateway.metric("gateway_refused_total", reason="requests") == 2


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_tokens_are_guessed_before_and_corrected_after(keyed: Keyed, stream: bool) -> None:
    name = "carol" if stream else "dave"
    limit = 300 if stream else 1000
    first = keyed.chat(name, Script(text="ok"), max_tokens=200, stream=stream)
    assert first.status_code == 200, first.text
    prompt = keyed.chat("alice", Script(text="ok"), max_tokens=200).json()["usage"]["prompt_tokens"]
    assert limits(first) == {"limit-tokens": str(limit), "remaining-tokens": str(limit - prompt - 200)}
    used = keyed.chat("alice", Script(text="ok")).json()["usage"]["total_tokens"]
    second = keyed.chat(name, Script(text="ok"), max_tokens=1, stream=stream)
    assert second.status_code == 200, second.text
    assert limits(second)["remaining-tokens"] == str(limit - used - prompt - 1)


def test_a_request_that_can_never_fit_is_not_tried_again(keyed: Keyed) -> None:
    reply = keyed.chat("frank", "word " * 50)
    assert (reply.status_code, reply.json()["error"]["type"]) == (429, "rate_limit_error")
    assert (reply.headers["x-should-retry"], reply.headers["retry-after"]) == ("false", "60")
    before = keyed.gateway.metric("gateway_refused_total", reason="tokens")
    with (
        openai.OpenAI(base_url=keyed.gateway.api, api_key=KEYS["frank"]) as client,
        pytest.raises(openai.RateLimitError, match="Make it smaller"),
    ):
        client.completions.create(model="direct", prompt="word " * 50)
    assert keyed.gateway.metric("gateway_refused_total", reason="tokens") == before + 1


def test_what_fails_costs_nothing(keyed: Keyed) -> None:
    remaining = []
    for script in (Script(error_at_start=True), Script(text="ok")):
        reply = keyed.chat("dave", script, model="direct", max_tokens=50)
        remaining.append(int(limits(reply)["remaining-tokens"]))
    assert abs(remaining[0] - remaining[1]) < 50, "the guess of the first was given back"


def test_who_leaves_pays_for_tokens_and_not_for_chunks(keyed: Keyed, scripted_triton: ScriptedTriton) -> None:
    whole = keyed.chat("alice", Script(text="word ", repeat=True), max_tokens=64).json()
    length = len(whole["choices"][0]["message"]["content"])
    remaining = []
    for chunk in (1, 32):
        tag = f"leaves-{chunk}"  # 5 ms apart: what comes together is one chunk
        script = Script(tag=tag, text="word ", repeat=True, chunk=chunk, delay_ms=5, hang_after=64)
        body = {"model": "direct", "messages": messages(script), "stream": True, "max_tokens": 100}
        headers = {"authorization": f"Bearer {KEYS['henry']}"}
        with httpx.stream("POST", f"{keyed.gateway.api}/chat/completions", json=body, headers=headers) as reply:
            text, lines = "", reply.iter_lines()
            while len(text) < length:
                line = next(lines)
                if line.startswith("data: "):
                    text += json.loads(line.removeprefix("data: "))["choices"][0]["delta"].get("content", "")
        scripted_triton.journal.wait_for(tag, "end")
        wait_for(lambda: keyed.gateway.metric("gateway_requests_in_flight", model="direct") == 0, SECONDS, "it is over")
        after = keyed.chat("henry", Script(text="ok"), max_tokens=1)
        remaining.append(int(limits(after)["remaining-tokens"]))
    spent = [2000 - remaining[0], remaining[0] - remaining[1]]
    assert abs(spent[0] - spent[1]) < 20, "a token costs the same, however many come in a chunk"


def test_a_limit_of_streams(keyed: Keyed) -> None:
    body = {
        "model": "direct",
        "stream": True,
        "messages": messages(Script(text="one two three four five", hang_after=3)),
    }
    headers = {"x-api-key": KEYS["gina"]}
    url = f"{keyed.gateway.api}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=60) as stream:
        lines = stream.iter_lines()  # kept: a forgotten iterator closes the connection
        assert next(lines).startswith("data: ")
        reply = keyed.chat("gina")
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert keyed.chat("alice").status_code == 200, "everyone else is undisturbed"
    wait_for(lambda: keyed.chat("gina").status_code == 200, SECONDS, "the place was never given back")


@pytest.mark.timeout(300)  # three gateways start
def test_gateways_share_limits_and_outlive_their_redis(start: Start, redis: RedisServer) -> None:
    settings = f'redis = "{redis.url}"\nredis_timeout_seconds = 2.0\n'
    first, second = start(settings), start(settings)
    closed = start(f'{settings}redis_away = "closed"\nredis_prefix = "another"')
    assert [keyed.chat("bob").status_code for keyed in (first, second, first, second)] == [200, 200, 429, 429]
    assert closed.chat("bob").status_code == 200
    redis.kill()
    statuses = [first.chat("bob").status_code for _ in range(5)]
    assert (statuses[:2], 429 in statuses) == ([200, 200], True), "each for itself, in the meantime"
    reply = closed.chat("bob")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert closed.chat("alice").status_code == 200, "no limits, so nothing to ask Redis"
    assert "is away" in first.gateway.log.read_text()
    redis.start()
    wait_for(lambda: "is back:" in closed.gateway.log.read_text(), SECONDS, "Redis is back and nobody noticed")
    assert closed.chat("bob").status_code == 200
