"""The command: what it refuses at the start, and what it does while Triton is away."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from loadtest.engine.script import Script
from model_repo_builder.ports import Ports
from tests.gateway.asking import messages
from tests.support.gateway import GATEWAY, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton


def refused(*flags: str) -> str:
    """What the command says when it does not start."""
    done = subprocess.run([str(GATEWAY), "serve", *flags], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


REFUSED = [
    pytest.param([], "Give --config FILE, or --triton", id="nothing"),
    pytest.param(["--triton", "x:8001", "--model", "q"], "missing: --tokenizer", id="no-tokenizer"),
    pytest.param(["--config", "absent.toml"], "absent.toml cannot be read", id="no-such-file"),
    pytest.param(["--config", "broken.toml"], "not valid TOML", id="broken-file"),
    pytest.param(["--config", "broken.toml", "--model", "q"], "not both", id="file-and-flags"),
    pytest.param(
        ["--triton", "x:8001", "--tokenizer", "./absent", "--model", "q"], "no tokenizer folder", id="missing-tokenizer"
    ),
    pytest.param(["--triton", "8001", "--tokenizer", ".", "--model", "q"], "HOST:PORT", id="endpoint"),
]


@pytest.mark.parametrize(("flags", "message"), REFUSED)
def test_a_start_that_cannot_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], message: str
) -> None:
    (tmp_path / "broken.toml").write_text("[[models]")
    monkeypatch.chdir(tmp_path)
    assert message in refused("--port", "0", *flags)


def test_a_port_in_use(tokenizer: TokenizerFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        flags = ["--triton", "127.0.0.1:1", "--tokenizer", str(tokenizer.path), "--model", "q", "--max-model-len", "99"]
        said = refused("--port", port, *flags)
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


def test_help_teaches() -> None:
    done = subprocess.run([str(GATEWAY), "serve", "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert "gateway serve --config" in done.stdout
    assert "curl" in done.stdout


def test_triton_away_is_a_503_that_says_when_to_try_again(tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    flags = ["--triton", f"127.0.0.1:{Ports.free().grpc}", "--tokenizer", str(tokenizer.path), "--model", "q"]
    with gateway_serving(tmp_path / "log", *flags, "--max-model-len", "2048") as gateway:
        assert httpx.get(f"{gateway.url}/healthz", timeout=10).status_code == 200
        ready = httpx.get(f"{gateway.url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["models"]) == (503, {"q": "unavailable"})
        assert ready.headers["retry-after"] == "1"
        (endpoint,) = ready.json()["endpoints"]["q"]
        assert endpoint["state"] in ("down", "ejected"), endpoint
        assert endpoint["address"] == flags[1]
        assert endpoint["reason"], endpoint
        for stream in (True, False):
            body = {"model": "q", "messages": messages("hi"), "stream": stream}
            reply = httpx.post(f"{gateway.api}/chat/completions", json=body, timeout=30)
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
            assert reply.json()["error"]["code"] == "service_unavailable"
        wrong = {"model": "q", "messages": messages("hi " * 3000)}
        reply = httpx.post(f"{gateway.api}/chat/completions", json=wrong, timeout=30)
        assert reply.json()["error"]["code"] == "context_length_exceeded", "trying again would not help"


def test_flags_alone_and_the_builder_s_file_alone(
    tmp_path: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> None:
    starts = [
        ["--triton", scripted_triton.grpc, "--tokenizer", str(tokenizer.path), "--model", "qwen"],
        ["--config", str(scripted_triton.gateway_toml)],
    ]
    for flags in starts:
        with gateway_serving(tmp_path / "log", *flags) as gateway:
            script: Any = messages(Script(text="你好"))
            with OpenAI(base_url=gateway.api, api_key="none") as client:
                answer = client.chat.completions.create(model="qwen", messages=script)
            assert answer.choices[0].message.content == "你好"


@pytest.mark.parametrize(
    ("route", "name", "message"),
    [("direct", "nobody", "no model 'nobody'"), ("direct", "ensemble", "does not fit route 'direct'")],
    ids=["no-such-model", "a-model-of-another-shape"],
)
def test_a_route_that_does_not_fit_is_said_at_the_start(
    tmp_path: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder, route: str, name: str, message: str
) -> None:
    config = gateway_toml(
        tmp_path / "gateway.toml", scripted_triton.grpc, tokenizer.path, max_model_len=2048, routes=[route]
    )
    config.write_text(f'{config.read_text()}direct = "{name}"\n')
    with gateway_serving(tmp_path / "log", "--config", str(config)) as gateway:
        body = {"model": route, "messages": messages("hi")}
        reply = httpx.post(f"{gateway.api}/chat/completions", json=body, timeout=30)
        assert reply.status_code == 502
        assert message in reply.json()["error"]["message"]
        assert message in gateway.log.read_text()
