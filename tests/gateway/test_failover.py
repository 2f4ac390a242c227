"""Two real Tritons behind one gateway: what one of them cannot do, the other does, as long as no token has come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtest.engine.control import Mood
from loadtest.engine.journal import Journal
from loadtest.engine.script import Script, script_text
from loadtest.processes import Gateway, Triton, model_toml
from tests.support.two_tritons import two_tritons
from tests.support.waiting import wait_for

TEXT = "one two three four five"
SETTINGS = """
[deadlines]
connect_seconds = 2.0
first_token_seconds = 3.0
idle_seconds = 3.0
total_seconds = 30.0
[balance]
prefix_affinity = false
failures = 1000  # nobody is ejected: who fails a request is asked again
slow_start_seconds = 0.0
slow_eject = 0.0
follow_pace = false
[probes]
period_seconds = 0.2
timeout_seconds = 1.0
"""


@pytest.fixture(scope="module")
def tritons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Triton, Triton]]:
    with two_tritons(tmp_path_factory.mktemp("failover")) as both_ready:
        yield both_ready


@pytest.fixture(scope="module")
def gateway(tritons: tuple[Triton, Triton], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), model_toml(tritons) + SETTINGS)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def both(tritons: tuple[Triton, Triton], gateway: Gateway) -> Iterator[tuple[Triton, Triton]]:
    """Both Tritons, well again and taken for well afterwards."""
    yield tritons
    for triton in tritons:
        triton.thaw()
        triton.mood(Mood())
        if not triton.ready():
            triton.kill()
            triton.start()
    wait_for(lambda: set(states(gateway).values()) == {"up"}, 30, "both Tritons are up for the gateway")


def states(gateway: Gateway) -> dict[str, str]:
    reply = httpx.get(f"{gateway.url}/debug/endpoints", timeout=10)
    return {each["address"]: each["state"] for each in reply.json()["scripted"]}


def body(script: Script, **more: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": [{"role": "user", "content": script_text(script)}], **more}


def ask(gateway: Gateway, script: Script, **more: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body(script, **more), timeout=60)


def frames(reply: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def journal(triton: Triton) -> Journal:
    return Journal(Path(triton.journal))


def test_requests_go_to_both(gateway: Gateway, both: tuple[Triton, Triton]) -> None:
    for number in range(24):
        assert ask(gateway, Script(tag=f"both-{number}", text=TEXT)).status_code == 200
    shares = [sum(f"both-{n}" in triton.journal.read_text() for n in range(24)) for triton in both]
    assert min(shares) >= 4, shares


@pytest.mark.parametrize("stream", [False, True], ids=["collected", "stream"])
def test_an_engine_that_fails_every_request_costs_none(
    gateway: Gateway, both: tuple[Triton, Triton], stream: bool
) -> None:
    both[0].mood(Mood(fail=True))
    before = gateway.metric("gateway_failovers_total", model="scripted")
    for number in range(60):  # each goes to either
        reply = ask(gateway, Script(tag=f"fails-{stream}-{number}", text=TEXT), stream=stream, seed=7)
        assert reply.status_code == 200
        assert "error" not in reply.text
        if number >= 8 and gateway.metric("gateway_failovers_total", model="scripted") > before:
            return
    pytest.fail("no request was tried on the engine that fails")


def test_a_killed_triton_costs_no_request_that_had_no_token(gateway: Gateway, both: tuple[Triton, Triton]) -> None:
    def one(number: int) -> httpx.Response:
        return ask(gateway, Script(tag=f"killed-{number}", text=TEXT, first_delay_ms=1500))

    with ThreadPoolExecutor(12) as threads:
        asked = [threads.submit(one, number) for number in range(12)]
        for number in range(12):
            wait_for(
                lambda number=number: any(f"killed-{number}" in t.journal.read_text() for t in both),  # type: ignore[misc]
                20,
                "the engines have every request",
            )
        both[0].kill()
        replies = [reply.result() for reply in asked]
    assert [reply.status_code for reply in replies] == [200] * 12
    assert {reply.json()["choices"][0]["message"]["content"] for reply in replies} == {TEXT}


def test_a_triton_lost_in_mid_stream_ends_the_stream_with_one_error(
    gateway: Gateway, both: tuple[Triton, Triton]
) -> None:
    both[1].mood(Mood(fail=True))  # so that the first one has it
    script = Script(tag="mid-stream", text="x ", repeat=True, delay_ms=50)
    with httpx.stream(
        "POST", f"{gateway.url}/v1/chat/completions", json=body(script, stream=True, max_tokens=500), timeout=60
    ) as reply:
        chunks = []
        for chunk in reply.iter_text():
            chunks.append(chunk)
            if len(chunks) == 3:
                both[0].kill()
    text = "".join(chunks)
    assert text.endswith("data: [DONE]\n\n")
    assert text.count('"error"') == 1


def test_a_frozen_triton_gives_its_waiting_requests_to_the_other(gateway: Gateway, both: tuple[Triton, Triton]) -> None:
    both[0].freeze()
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda number: ask(gateway, Script(tag=f"frozen-{number}", text=TEXT)), range(8)))
    assert [reply.status_code for reply in replies] == [200] * 8


@pytest.mark.parametrize("stream", [False, True], ids=["collected", "stream"])
def test_a_first_token_that_does_not_come_is_a_504(gateway: Gateway, both: tuple[Triton, Triton], stream: bool) -> None:
    tag = f"silent-{stream}"
    reply = ask(gateway, Script(tag=tag, hang_after=0), stream=stream)
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "timeout"
    holder = next(triton for triton in both if tag in triton.journal.read_text())
    journal(holder).wait_for(tag, "cancel")


def test_a_stream_that_falls_silent_ends_with_one_error(gateway: Gateway, both: tuple[Triton, Triton]) -> None:
    script = Script(tag="falls-silent", text="x ", repeat=True, hang_after=3)
    reply = ask(gateway, script, stream=True, max_tokens=50)
    assert reply.status_code == 200
    (error,) = [frame["error"] for frame in frames(reply) if "error" in frame]
    assert error["code"] == "timeout"
    holder = next(triton for triton in both if "falls-silent" in triton.journal.read_text())
    journal(holder).wait_for("falls-silent", "cancel")


def test_nobody_left_is_a_503_and_comes_back(gateway: Gateway, both: tuple[Triton, Triton]) -> None:
    for triton in both:
        triton.kill()
    reply = ask(gateway, Script(text=TEXT))
    assert reply.status_code == 503
    assert 0 < int(reply.headers["retry-after"]) <= 60
    wait_for(lambda: gateway.status("/readyz") == 503, 20, "the gateway is not ready")
    both[1].start()
    wait_for(lambda: ask(gateway, Script(text=TEXT)).status_code == 200, 20, "the gateway serves again")


def test_a_triton_that_is_ready_but_answers_nothing_is_taken_out(both: tuple[Triton, Triton], tmp_path: Path) -> None:
    settings = SETTINGS.replace("first_token_seconds = 3.0", "first_token_seconds = 60.0")
    gateway = Gateway(tmp_path, model_toml(both) + settings + "stall_seconds = 2.0\n")
    gateway.start()
    try:
        both[0].mood(Mood(hang=True))
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(ask, gateway, Script(tag=f"stalled-{n}", text=TEXT)) for n in range(8)]
            replies = [reply.result() for reply in asked]
        assert [reply.status_code for reply in replies] == [200] * 8
        assert states(gateway)[both[0].address] == "down"
        assert both[0].ready()
    finally:
        gateway.stop()


@pytest.mark.parametrize("stream", [False, True], ids=["collected", "stream"])
def test_a_hedge_asks_a_second_triton_and_ends_the_slower(
    both: tuple[Triton, Triton], tmp_path: Path, stream: bool
) -> None:
    settings = SETTINGS.replace("[deadlines]", "[deadlines]\nhedge_seconds = 0.3")
    gateway = Gateway(tmp_path, model_toml(both) + settings)
    gateway.start()
    try:
        both[0].mood(Mood(hang=True))
        for number in range(60):  # each goes to either
            tag = f"hedge-{stream}-{number}"
            reply = ask(gateway, Script(tag=tag, text=TEXT), stream=stream)
            assert reply.status_code == 200
            assert "error" not in reply.text
            if journal(both[0]).records(tag):
                journal(both[0]).wait_for(tag, "cancel")
                return
        pytest.fail("no request went to the engine that hangs")
    finally:
        gateway.stop()


def test_a_request_that_every_engine_refuses_takes_nobody_out(both: tuple[Triton, Triton], tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, model_toml(both) + SETTINGS.replace("failures = 1000", "failures = 2"))
    gateway.start()
    try:
        for number in range(10):
            assert ask(gateway, Script(tag=f"poison-{number}", error_at_start=True)).status_code == 502
        assert set(states(gateway).values()) == {"up"}
    finally:
        gateway.stop()
