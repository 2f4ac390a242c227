from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import SettingsError
from gateway.core.tls import ClientTls
from gateway.settings import Settings

MODEL = {"name": "q", "tokenizer": "tokenizer"}


def read(document: dict[str, Any], *, environ: dict[str, str] | None = None, **flags: Any) -> Settings:
    return Settings.read(document, environ or {}, flags, folder=Path("/nowhere"))


def test_defaults() -> None:
    settings = read({"models": [MODEL]})
    model = settings.models[0]
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 9000)
    assert (model.triton, model.route, model.max_model_len, model.eos_token_ids) == (
        ("127.0.0.1:8001",),
        "auto",
        None,
        (),
    )
    assert model.triton_models == {
        "direct": "tensorrt_llm",
        "llmapi": "tensorrt_llm",
        "ensemble": "ensemble",
        "bls": "tensorrt_llm_bls",
    }


@pytest.mark.parametrize(
    ("server", "environ", "flags", "port"),
    [
        ({}, {}, {}, 9000),
        ({"port": 1}, {}, {}, 1),
        ({"port": 1}, {"GATEWAY_PORT": "2"}, {}, 2),
        ({"port": 1}, {"GATEWAY_PORT": "2"}, {"port": 3}, 3),
        ({"port": 1}, {}, {"port": None}, 1),
    ],
    ids=["default", "file", "environment", "flag", "no-flag"],
)
def test_later_wins(server: dict[str, Any], environ: dict[str, str], flags: dict[str, Any], port: int) -> None:
    assert read({"server": server, "models": [MODEL]}, environ=environ, **flags).server.port == port


def test_a_tokenizer_path_starts_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    settings = Settings.read({"models": [MODEL]}, {}, {}, folder=tmp_path)
    assert settings.models[0].tokenizer == str(tmp_path / "tokenizer")


def test_a_model_id_stays_one() -> None:
    assert read({"models": [{**MODEL, "tokenizer": "Qwen/Qwen3-8B"}]}).models[0].tokenizer == "Qwen/Qwen3-8B"


WRONG = [
    pytest.param({}, {}, "No model is configured", id="nothing"),
    pytest.param({"model": []}, {}, "unknown table 'model'", id="singular-table"),
    pytest.param({"models": {"name": "q"}}, {}, "two brackets", id="one-bracket"),
    pytest.param({"models": [{"name": "q"}]}, {}, "lacks 'tokenizer'", id="no-tokenizer"),
    pytest.param({"models": [{"tokenizer": "t"}]}, {}, "lacks 'name'", id="no-name"),
    pytest.param({"models": [{**MODEL, "name": ""}]}, {}, "not empty", id="empty-name"),
    pytest.param({"models": [MODEL, MODEL]}, {}, "used twice", id="same-name"),
    pytest.param({"models": [{**MODEL, "rout": "auto"}]}, {}, "unknown key 'rout'", id="misspelt"),
    pytest.param({"models": [{**MODEL, "route": "http"}]}, {}, "one of auto, direct", id="route"),
    pytest.param({"models": [{**MODEL, "triton": "http://x:8000"}]}, {}, "HOST:PORT", id="a-url"),
    pytest.param({"models": [{**MODEL, "triton": "x:99999"}]}, {}, "HOST:PORT", id="no-such-port"),
    pytest.param({"models": [{**MODEL, "max_model_len": "8k"}]}, {}, "a whole number", id="length-as-text"),
    pytest.param({"models": [{**MODEL, "max_model_len": 0}]}, {}, "at least 2", id="length-of-zero"),
    pytest.param({"models": [{**MODEL, "eos_token_ids": [1.5]}]}, {}, "list of whole numbers", id="half-an-id"),
    pytest.param({"models": [{**MODEL, "eos_token_ids": [-1]}]}, {}, "negative", id="negative-id"),
    pytest.param({"models": [MODEL], "server": []}, {}, "must be a table", id="server-as-list"),
    pytest.param({"models": [MODEL], "server": {"port": 70000}}, {}, "65535", id="port-too-large"),
    pytest.param({"models": [MODEL], "server": {"port": True}}, {}, "a whole number", id="port-as-truth"),
    pytest.param({"models": [MODEL], "server": {"ping_seconds": 0}}, {}, "more than 0", id="ping"),
    pytest.param({"models": [MODEL], "server": {"log_level": "loud"}}, {}, "log_level", id="log-level"),
    pytest.param({"models": [MODEL], "server": {"transport": "http"}}, {}, "h2 or grpc", id="transport"),
    pytest.param({"models": [MODEL]}, {"GATEWAY_PORT": "many"}, "GATEWAY_PORT", id="environment"),
    pytest.param({"models": [{**MODEL, "triton": []}]}, {}, "HOST:PORT", id="no-triton"),
    pytest.param({"models": [{**MODEL, "triton": ["a:1", 2]}]}, {}, "list of such texts", id="triton-as-number"),
    pytest.param({"models": [{**MODEL, "triton": "file:"}]}, {}, "file:PATH", id="file-without-path"),
    pytest.param({"models": [{**MODEL, "triton": "dns:name"}]}, {}, "dns:NAME:PORT", id="dns-without-port"),
    pytest.param({"models": [{**MODEL, "triton_metrics": "x:8002"}]}, {}, "must be a URL", id="metrics-without-scheme"),
    pytest.param(
        {"models": [{**MODEL, "triton_tls": {"cert": "c"}}]}, {}, "both cert and key", id="half-a-certificate"
    ),
    pytest.param({"models": [{**MODEL, "triton_tls": {"sni": "c"}}]}, {}, "server_name", id="tls-misspelt"),
    pytest.param({"models": [MODEL], "deadlines": {"idle_seconds": -1}}, {}, "between 0 and", id="deadline-negative"),
    pytest.param({"models": [MODEL], "deadlines": {"idle_seconds": 1e12}}, {}, "between 0 and", id="deadline-absurd"),
    pytest.param(
        {"models": [MODEL]}, {"GATEWAY_DEADLINES_IDLE_SECONDS": "nan"}, "between 0 and", id="deadline-not-a-number"
    ),
]


def test_one_triton_or_several(tmp_path: Path) -> None:
    (model,) = read({"models": [{**MODEL, "triton": ["a:1", "dns:b:2", "[::1]:3"]}]}).models
    assert model.triton == ("a:1", "dns:b:2", "[::1]:3")
    document = {"models": [{**MODEL, "triton": "file:tritons.toml", "triton_tls": {"ca": "ca.pem"}}]}
    (model,) = Settings.read(document, {}, {}, folder=tmp_path).models
    assert model.triton == (f"file:{tmp_path / 'tritons.toml'}",)
    assert model.tls == ClientTls(ca=str(tmp_path / "ca.pem"))


def test_a_table_of_its_own_has_its_own_variables() -> None:
    environ = {"GATEWAY_DEADLINES_IDLE_SECONDS": "2.5"}
    settings = read({"models": [MODEL], "deadlines": {"idle_seconds": 9, "total_seconds": 10}}, environ=environ)
    assert (settings.deadlines.idle_seconds, settings.deadlines.total_seconds) == (2.5, 10.0)


@pytest.mark.parametrize(("document", "environ", "message"), WRONG)
def test_wrong_settings_say_what_to_change(document: dict[str, Any], environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(document, environ=environ)
