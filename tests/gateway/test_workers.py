"""Several workers on one port: what one counts all tell, and the crash of one is nobody else's."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import ask, messages
from tests.gateway.processes import PATIENCE, Start, environment, holder, ready, running, workers
from tests.support.gateway import GATEWAY, Gateway
from tests.support.processes import gone
from tests.support.waiting import until

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def counted(gateway: Gateway) -> float:
    return gateway.metric("gateway_requests_total", model="direct", outcome="stop")


def folder_of(gateway: Gateway) -> Path:
    return Path(environment(min(workers(gateway)), FOLDER))


def test_each_tells_what_all_counted_and_nothing_is_left(start: Start) -> None:
    gateway = start(workers=2)
    pids, folder = workers(gateway), folder_of(gateway)
    assert len(pids) == 2
    for _ in range(12):  # each over a connection of its own
        ask(gateway, Script(text="hi"))
    log = gateway.log.read_text()
    assert {f"worker-{number}" for number in range(2) if f"worker-{number} gateway.access" in log}
    assert [counted(gateway) for _ in range(6)] == [12.0] * 6, "whichever worker answers"
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(PATIENCE) == 0
    assert all(gone(pid) for pid in pids)
    assert not folder.exists()


def test_a_crash_cuts_its_own_streams_only_and_is_made_good(start: Start) -> None:
    gateway = start(workers=2)
    ask(gateway, Script(text="hi"))
    before, pids = counted(gateway), workers(gateway)
    script = Script(text="one two three four five six seven eight", delay_ms=400)
    clients = [running(gateway, script) for _ in range(12)]
    starts = [client.read_until(b'"content":') for client in clients]
    victims = {client: holder(client.socket, pids) for client in clients}
    victim = victims[clients[0]]
    os.kill(victim, signal.SIGKILL)
    for client, seen in zip(clients, starts, strict=True):
        try:
            whole = seen + client.read_to_end(b"data: [DONE]")
        except ConnectionError:
            whole = b""
        assert (b"data: [DONE]" in whole) == (victims[client] != victim)
    until(lambda: len(workers(gateway) - pids) == 1)
    until(lambda: gateway.log.read_text().count("INFO gateway gateway") == 1 and ready(gateway) == 200)
    served = sum(1 for worker in victims.values() if worker != victim)
    for _ in range(4):
        ask(gateway, Script(text="hi"))
    assert counted(gateway) == before + served + 4, "what the dead one counted stays counted"
    assert gateway.metric("gateway_requests_in_flight", model="direct") == 0


def test_a_worker_that_keeps_crashing_takes_no_requests_with_it(start: Start) -> None:
    gateway = start(workers=2)
    steady = min(workers(gateway))
    for seconds in ("0.0", "1.0", "2.0"):
        until(lambda: len(workers(gateway)) == 2)
        os.kill(max(workers(gateway) - {steady}), signal.SIGKILL)
        until(lambda seconds=seconds: f"replaced in {seconds} s" in gateway.log.read_text())  # type: ignore[misc]
    for _ in range(8):  # nobody waits for the other to come back
        assert ask(gateway, Script(text="hi")).text == "hi"


def test_workers_end_with_a_parent_that_was_killed(start: Start) -> None:
    gateway = start(workers=2)
    pids, folder = workers(gateway), folder_of(gateway)
    client = running(gateway, Script(text="one two three four", delay_ms=200))
    seen = client.read_until(b'"content":')
    gateway.process.kill()
    assert b"data: [DONE]" in seen + client.read_to_end(b"data: [DONE]"), "streams may finish"
    until(lambda: all(gone(pid) for pid in pids))
    assert not folder.exists()


def test_the_end_waits_for_streams_of_all_workers(start: Start) -> None:
    gateway = start(workers=2)
    script = Script(text="one two three four five", delay_ms=200)
    clients = [running(gateway, script) for _ in range(6)]
    starts = [client.read_until(b'"content":') for client in clients]
    gateway.process.send_signal(signal.SIGTERM)
    for client, seen in zip(clients, starts, strict=True):
        assert b"data: [DONE]" in seen + client.read_to_end()
    assert gateway.process.wait(PATIENCE) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"{gateway.api}/chat/completions", json={"model": "direct", "messages": messages("x")}, timeout=5)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--tokenizer", "./absent"], 2, "no tokenizer folder"),
        (["--tokenizer", ".", "--workers", "0"], 2, "workers must be between"),
    ],
    ids=["a-worker-s-own", "the-parent-s"],
)
def test_an_error_at_the_start_is_said_once(tmp_path: Path, flags: list[str], code: int, said: str) -> None:
    command = [str(GATEWAY), "serve", "--port", "0", "--triton", "x:8001", "--model", "q", "--workers", "2", *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("gateway: ") == 1
    assert "Traceback" not in done.stderr
