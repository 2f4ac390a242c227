"""New settings in a running gateway: by SIGHUP or by a changed file, right or wrong, with streams in flight."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from gateway.lineup import unreloaded
from gateway.settings import Settings
from loadtest.engine.script import Script
from tests.gateway.asking import ask
from tests.gateway.processes import Start, running, workers
from tests.support.gateway import Gateway
from tests.support.waiting import until

ADDED = '[[models]]\nname = "added"\nroute = "ensemble"\n'


def config_of(gateway: Gateway) -> Path:
    return gateway.log.parent / "gateway.toml"


def rewrite(gateway: Gateway, text: str) -> None:
    """Replaces the configuration the way an editor or a Kubernetes volume does: another file under its name."""
    fresh = gateway.log.parent / "fresh.toml"
    fresh.write_text(text)
    fresh.replace(config_of(gateway))


def with_model(text: str, table: str) -> str:
    """The configuration with one model more, like its first."""
    lines = [line for line in text.splitlines() if line.startswith(("triton", "tokenizer", "max_model_len"))]
    return text.replace("[server]", table + "\n".join(lines) + "\n\n[server]")


def served(gateway: Gateway) -> set[str]:
    return {card["id"] for card in httpx.get(f"{gateway.api}/models", timeout=10).json()["data"]}


@pytest.mark.parametrize("workers_", [1, 2], ids=["alone", "workers"])
def test_no_stream_is_dropped(start: Start, workers_: int) -> None:
    gateway = start(workers=workers_)
    script = Script(text="one two three four five six seven eight nine ten", delay_ms=200)
    clients = [running(gateway, script) for _ in range(20)]
    starts = [client.read_until(b'"content":') for client in clients]
    text = with_model(config_of(gateway).read_text(), ADDED)
    rewrite(gateway, text.replace('name = "direct"', 'name = "renamed"'))
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: all(served(gateway) == {"renamed", "added"} for _ in range(8)))
    assert ask(gateway, Script(text="hi"), model="added").text == "hi"
    assert ask(gateway, Script(text="hi"), model="renamed").text == "hi"
    for client, seen in zip(clients, starts, strict=True):
        whole = seen + client.read_to_end(b"data: [DONE]")
        assert b"data: [DONE]" in whole
        assert b'"error"' not in whole


def test_a_changed_file_is_enough_and_a_wrong_one_changes_nothing(start: Start) -> None:
    gateway = start()
    good = config_of(gateway).read_text()
    for wrong, said in (
        ("[[models]", "not valid TOML"),
        (good.replace("max_model_len = 2048", "max_model_len = 1"), "at least 2"),
        (good.replace("tokenizer = ", 'tokenizer = "./absent" # '), "no tokenizer folder"),
    ):
        rewrite(gateway, wrong)
        until(lambda said=said: said in gateway.log.read_text())  # type: ignore[misc]
        assert ask(gateway, Script(text="hi")).text == "hi"
        assert served(gateway) == {"direct"}
    rewrite(gateway, with_model(good, ADDED))
    until(lambda: served(gateway) == {"direct", "added"})
    rewrite(gateway, good)
    until(lambda: served(gateway) == {"direct"})
    reply = httpx.post(f"{gateway.api}/chat/completions", json={"model": "added", "messages": []}, timeout=10)
    assert reply.status_code in (400, 404)
    log = gateway.log.read_text()
    assert log.count("route direct on Triton model") == 1, "what did not change kept its connections"


def test_what_needs_a_restart_is_said(start: Start) -> None:
    gateway = start()
    rewrite(gateway, config_of(gateway).read_text() + "strict = true\n")
    until(lambda: "[server] strict take effect at the next start" in gateway.log.read_text())


def test_a_replaced_worker_starts_with_what_is_in_force(start: Start) -> None:
    gateway = start(workers=2)
    rewrite(gateway, with_model(config_of(gateway).read_text(), ADDED))
    until(lambda: all(served(gateway) == {"direct", "added"} for _ in range(8)))
    rewrite(gateway, "[[models]")
    until(lambda: "not valid TOML" in gateway.log.read_text())
    before = workers(gateway)
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(workers(gateway) - before) == 1)
    until(lambda: all(served(gateway) == {"direct", "added"} for _ in range(8)))


def test_unreloaded_names_tables_and_keys() -> None:
    def read(**tables: dict[str, object]) -> Settings:
        document = {"models": [{"name": "q", "tokenizer": "t"}], **tables}
        return Settings.read(document, {}, {}, folder=Path("/"))

    new = read(server={"port": 1, "tls_cert": "c", "tls_key": "k"}, deadlines={"idle_seconds": 1})
    assert unreloaded(read(), new) == ["[server] port", "[deadlines]"]
    assert unreloaded(new, new) == []
