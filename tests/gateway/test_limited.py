"""Keys and limits of real gateways: what clients see, what changes while streams run, what the log never has."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx
import openai
import pytest

from gateway.core.keys import hashed
from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.gateway.test_serve import refused
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.redis import RedisServer, redis_server
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

KEYS = {
    name: f"qtg-{name}-{'k' * 32}"
    for name in ("alice", "bob", "carol", "dave", "erin", "frank", "gina", "henry", "boss")
}
LIMITS = {
    "bob": "requests_per_minute = 2",
    "carol": "tokens_per_minute = 300",
    "dave": "tokens_per_minute = 1000",
    "erin": 'models = ["ensemble"]',
    "frank": "tokens_per_minute = 10",
    "gina": "max_streams = 1",
    "henry": "tokens_per_minute = 2000",
    "boss": "admin = true",
}


def tables(*names: str) -> str:
    return "\n".join(
        f'[[keys]]\nname = "{name}"\nhash = "{hashed(KEYS[name])}"\n{LIMITS.get(name, "")}\n' for name in names
    )


@dataclass(frozen=True, slots=True)
class Keyed:
    """A gateway with a key file."""

    gateway: Gateway
    keys: Path

    def chat(self, name: str, script: Script | str = "hi", **fields: Any) -> httpx.Response:
        body = {"model": "direct", "messages": messages(script), "max_tokens": 20} | fields
        headers = {"authorization": f"Bearer {KEYS[name]}"}
        return httpx.post(f"{self.gateway.api}/chat/completions", json=body, headers=headers, timeout=60)


Start = Callable[..., Keyed]


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[Start]:
    """Starts gateways with all keys, and what ``[keys]`` has besides."""
    with ExitStack() as stack:

        def starting(settings: str = "") -> Keyed:
            folder = tmp_path_factory.mktemp("keyed")
            (folder / "keys.toml").write_text(tables(*KEYS))
            config = gateway_toml(
                folder / "gateway.toml",
                scripted_triton.grpc,
                tokenizer.path,
                max_model_len=2048,
                routes=["direct", "ensemble"],
            )
            config.write_text(
                f'{config.read_text()}\n[server]\nlog_level = "debug"\n\n[keys]\nfile = "keys.toml"\n'
                f"poll_seconds = 0.05\n{settings}\n"
            )
            gateway = stack.enter_context(gateway_serving(folder / "log", "--config", str(config)))
            return Keyed(gateway, folder / "keys.toml")

        yield starting


@pytest.fixture(scope="module")
def keyed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """It counts in Redis, where a minute begins with its first request: in memory it may end during a test."""
    with redis_server(tmp_path_factory.mktemp("counting")) as server:
        yield start(f'open = ["/metrics"]\nredis = "{server.url}"\nredis_timeout_seconds = 10.0')


@pytest.fixture(scope="module")
def changing(start: Start) -> Keyed:
    """Whose key file tests may change."""
    return start()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for another process; each look takes a while by itself."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what


def limits(reply: httpx.Response) -> dict[str, str]:
    found = {name.removeprefix("x-ratelimit-"): value for name, value in reply.headers.items() if "ratelimit" in name}
    return {name: value for name, value in found.items() if not name.startswith("reset")}


def test_both_sdks_with_a_key_and_without(keyed: Keyed) -> None:
    script: Any = messages(Script(text="你好"))
    with openai.OpenAI(base_url=keyed.gateway.api, api_key=KEYS["alice"], max_retries=0) as client:
        answer = client.chat.completions.create(model="direct", messages=script)
        assert answer.choices[0].message.content == "你好"
        with pytest.raises(openai.AuthenticationError, match="not valid here"):
            client.with_options(api_key="sk-wrong").models.list()
        with pytest.raises(openai.PermissionDeniedError, match="'ensemble'"):
            client.with_options(api_key=KEYS["erin"]).chat.completions.create(model="direct", messages=script)
        assert [model.id for model in client.with_options(api_key=KEYS["erin"]).models.list()] == ["ensemble"]
    with anthropic.Anthropic(base_url=keyed.gateway.url, api_key=KEYS["alice"], max_retries=0) as claude:
        message = claude.messages.create(model="direct", max_tokens=20, messages=script)
        assert message.content[0].type == "text"
        with pytest.raises(anthropic.AuthenticationError, match="not valid here"):
            claude.with_options(api_key="sk-wrong").messages.create(model="direct", max_tokens=9, messages=script)


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
        until(lambda: keyed.gateway.metric("gateway_requests_in_flight", model="direct") == 0, "it is over")
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
    until(lambda: keyed.chat("gina").status_code == 200, "the place was never given back")


def test_a_large_body_without_a_key_is_not_waited_for(keyed: Keyed) -> None:
    with httpx.Client(base_url=keyed.gateway.url, timeout=60) as client:
        reply = client.post("/v1/chat/completions", content=b" " * 8_000_000)
        assert reply.status_code == 401
        assert client.get("/healthz").status_code == 200


def test_keys_change_while_a_stream_runs(changing: Keyed) -> None:
    keyed = changing
    body = {"model": "direct", "stream": True, "max_tokens": 400}
    body |= {"messages": messages(Script(text="a b", repeat=True, delay_ms=20))}
    headers = {"x-api-key": KEYS["alice"]}
    with httpx.stream(
        "POST", f"{keyed.gateway.api}/chat/completions", json=body, headers=headers, timeout=60
    ) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("data: ")
        keyed.keys.write_text(tables("bob", "erin"))
        until(lambda: keyed.chat("alice").status_code == 401, "the old key is still good")
        assert keyed.chat("erin", model="ensemble").status_code == 200
        assert [line for line in lines if line][-1] == "data: [DONE]", "the stream was let to its end"


def test_a_broken_key_file_keeps_the_old_keys(changing: Keyed) -> None:
    keyed = changing
    whole = tables(*KEYS)
    keyed.keys.write_text(whole)
    until(lambda: keyed.chat("alice").status_code == 200, "the new keys were not taken up")
    for said, harm in [
        ("not valid TOML", lambda: keyed.keys.write_text(whole[: len(whole) // 2 + 7])),
        ("nothing else", lambda: keyed.keys.write_text("")),
        ("cannot be read", keyed.keys.unlink),
    ]:
        harm()
        until(lambda said=said: said in keyed.gateway.log.read_text(), f"the log never said {said!r}")  # type: ignore[misc]
        assert keyed.chat("alice").status_code == 200
        assert httpx.get(f"{keyed.gateway.api}/models", timeout=30).status_code == 401, "it never becomes open"
    keyed.keys.write_text(tables("boss"))
    until(lambda: keyed.chat("boss").status_code == 200 and keyed.chat("alice").status_code == 401, "not taken up")


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
    until(lambda: "is back:" in closed.gateway.log.read_text(), "Redis is back and nobody noticed")
    assert closed.chat("bob").status_code == 200


def raw(gateway: Gateway, head: bytes) -> bytes:
    """What a request gives that no HTTP client would send."""
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + head + b"\r\n\r\n")
        return connection.recv(4096)


@pytest.mark.parametrize(
    "head",
    [
        b"authorization: Bearer \x00" + KEYS["alice"].encode(),
        b"authorization: Bearer " + KEYS["alice"].encode() + b"\x01",
        b"authorization: Bearer " + KEYS["alice"].encode() + b"\x7f",
        b"x-api-key: " + KEYS["alice"].encode() + b"\x0b",
        b"x-api-key: \xff\xfe\x80",
        b"x-api-key: " + KEYS["alice"][:10].encode() + b"\r " + KEYS["alice"][10:].encode(),
        b"authorization: Bearer " + b"\t".join([KEYS["alice"].encode()] * 2),
    ],
    ids=["nul", "control", "delete", "vertical-tab", "no-utf8", "carriage-return", "two-keys"],
)
def test_control_characters_in_a_key(keyed: Keyed, head: bytes) -> None:
    assert raw(keyed.gateway, head).split(b" ", 2)[1] in (b"400", b"401")
    assert raw(keyed.gateway, b"x-api-key: " + KEYS["alice"].encode()).startswith(b"HTTP/1.1 200")


def test_the_log_has_names_and_never_keys(keyed: Keyed) -> None:
    wrong = "sk-somebody-pasted-the-wrong-one"
    httpx.get(f"{keyed.gateway.api}/models", headers={"x-api-key": wrong}, timeout=30)
    httpx.get(f"{keyed.gateway.api}/models?api_key={KEYS['alice']}", timeout=30)
    assert keyed.chat("alice").status_code == 200
    log = keyed.gateway.log.read_text()
    assert " alice\n" in log
    for secret in [wrong, *KEYS.values(), *(hashed(key).removeprefix("sha256:") for key in KEYS.values())]:
        assert secret not in log


@pytest.mark.parametrize(
    ("keys", "settings", "said"),
    [
        pytest.param(None, "", "keys.toml cannot be read: No such file", id="no-file"),
        pytest.param("[[keys]", "", "keys.toml is not valid TOML", id="half-written"),
        pytest.param(tables("bob"), 'redis = "127.0.0.1:6379"', "[keys] redis must be a URL", id="redis-url"),
    ],
)
def test_a_start_that_cannot_work(
    tmp_path: Path, tokenizer: TokenizerFolder, keys: str | None, settings: str, said: str
) -> None:
    if keys is not None:
        (tmp_path / "keys.toml").write_text(keys)
    config = gateway_toml(tmp_path / "g.toml", "127.0.0.1:1", tokenizer.path, max_model_len=99, routes=["direct"])
    config.write_text(f'{config.read_text()}\n[keys]\nfile = "keys.toml"\n{settings}\n')
    assert said in refused("--port", "0", "--config", str(config))


def test_open_to_the_network_is_said(scripted: Gateway, tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    assert "without a key" not in scripted.log.read_text()
    config = gateway_toml(tmp_path / "g.toml", "127.0.0.1:1", tokenizer.path, max_model_len=99, routes=["direct"])
    with gateway_serving(tmp_path / "log", "--config", str(config), "--host", "0.0.0.0") as gateway:
        assert gateway.log.read_text().count("without a key") == 1
