"""A gateway and a real Triton that prove to each other who they are, and the settings of that which cannot work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from loadtest.engine.script import Script, script_text
from loadtest.engine_repository import MODEL, SEEDLING, build_engine, program
from loadtest.processes import Gateway
from tests.support.certificates import Authority
from tests.support.lone_triton import lone_triton
from tests.support.triton import require

NAME = "tritons.test"
TABLE = f"""
[[models]]
name = "scripted"
route = "direct"
tokenizer = "{SEEDLING}"
max_model_len = 2048
eos_token_ids = [0]
"""


@pytest.mark.parametrize("transport", ["h2", "grpc"])
def test_an_answer_over_mutual_tls(tmp_path: Path, transport: str) -> None:
    require("pytriton", "openvino_genai")
    authority = Authority(tmp_path, "ours")
    server, client = authority.signed("server", f"DNS:{NAME}"), authority.signed("client", "DNS:gateway.test")
    repository = tmp_path / "repository"
    build_engine(repository, journal=tmp_path / "journal", control=tmp_path / "mood", slots=0, lean=True)
    flags = [
        "--grpc-use-ssl=true",
        "--grpc-use-ssl-mutual=true",
        f"--grpc-server-cert={server.cert}",
        f"--grpc-server-key={server.key}",
        f"--grpc-root-cert={authority.ca}",
    ]
    with lone_triton(tmp_path, repository, *flags, model=MODEL) as triton:
        files = f'ca = "{authority.ca}", cert = "{client.cert}", key = "{client.key}"'
        config = f'{TABLE}triton = "{triton.grpc}"\ntriton_tls = {{{files}, server_name = "{NAME}"}}\n'
        gateway = Gateway(tmp_path, f'{config}[server]\ntransport = "{transport}"\n')
        try:
            gateway.start()
            content = script_text(Script(tag="tls", text="one two three"))
            body = {"model": "scripted", "messages": [{"role": "user", "content": content}]}
            reply = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=60)
        finally:
            gateway.stop()
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"] == "one two three"


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        ('{ca = "absent.pem"}', "cannot read ca"),
        ('{ca = "gateway.toml"}', "holds no certificate in PEM form"),
        ('{cert = "absent.pem"}', "needs both cert and key"),
        ("{verify = false}", "write paths under ca, cert and key"),
    ],
    ids=["absent", "no certificate", "half", "unknown"],
)
def test_files_that_cannot_work_stop_the_start(tmp_path: Path, tls: str, said: str) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f"{TABLE}triton_tls = {tls}\n")
    command = [*program("gateway"), "serve", "--config", str(config), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
