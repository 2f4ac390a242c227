"""Keys of real gateways: what clients see, what changes while streams run, what the log never has."""

from __future__ import annotations

import socket
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
from tests.gateway.keyed.gateways import KEYS, SECONDS, Keyed, Start, tables
from tests.gateway.test_serve import refused
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def changing(start: Start) -> Keyed:
    """Whose key file tests may change."""
    return start()


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
        wait_for(lambda: keyed.chat("alice").status_code == 401, SECONDS, "the old key is still good")
        assert keyed.chat("erin", model="ensemble").status_code == 200
        assert [line for line in lines if line][-1] == "data: [DONE]", "the stream was let to its end"


def test_a_broken_key_file_keeps_the_old_keys(changing: Keyed) -> None:
    keyed = changing
    whole = tables(*KEYS)
    keyed.keys.write_text(whole)
    wait_for(lambda: keyed.chat("alice").status_code == 200, SECONDS, "the new keys were not taken up")
    for said, harm in [
        ("not valid TOML", lambda: keyed.keys.write_text(whole[: len(whole) // 2 + 7])),
        ("nothing else", lambda: keyed.keys.write_text("")),
        ("cannot be read", keyed.keys.unlink),
    ]:
        harm()
        wait_for(lambda said=said: said in keyed.gateway.log.read_text(), SECONDS, f"the log never said {said!r}")  # type: ignore[misc]
        assert keyed.chat("alice").status_code == 200
        assert httpx.get(f"{keyed.gateway.api}/models", timeout=30).status_code == 401, "it never becomes open"
    keyed.keys.write_text(tables("boss"))
    wait_for(
        lambda: keyed.chat("boss").status_code == 200 and keyed.chat("alice").status_code == 401,
        SECONDS,
        "not taken up",
    )


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
