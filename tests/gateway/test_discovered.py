"""A gateway whose Tritons come and go: listed in a file that operators change, stuck, or gone altogether."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from loadtest.engine.control import Mood
from loadtest.engine.script import Script, script_text
from loadtest.engine_repository import MODEL
from loadtest.processes import Gateway, Triton, model_toml
from tests.support.two_tritons import two_tritons
from tests.support.waiting import wait_for

SETTINGS = """
[deadlines]
first_token_seconds = 60.0
[balance]
prefix_affinity = false
failures = 1000
slow_start_seconds = 0.0
slow_eject = 0.0
[probes]
period_seconds = 0.2
timeout_seconds = 1.0
file_seconds = 0.1
load_seconds = 0.2
stall_seconds = 2.0
"""


@pytest.fixture(scope="module")
def tritons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Triton, Triton]]:
    with two_tritons(tmp_path_factory.mktemp("discovered")) as both_ready:
        yield both_ready


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("listing") / "tritons.toml"


@pytest.fixture(scope="module")
def gateway(
    tritons: tuple[Triton, Triton], listing: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Started while its list is empty, so that it cannot be ready yet."""
    listing.write_text("endpoints = []")
    table = model_toml(tritons).splitlines()
    table = [f'triton = "file:{listing}"' if line.startswith("triton = ") else line for line in table]
    table.append(f'triton_metrics = "http://{{host}}:{tritons[0].ports.metrics}/metrics"')
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), "\n".join(table) + SETTINGS)
    gateway.launch()
    try:
        gateway.wait_until(lambda: gateway.status("/healthz") == 200, 60)
        yield gateway
    finally:
        gateway.stop()


def write(listing: Path, *tritons: Triton) -> None:
    listing.write_text(f"endpoints = {json.dumps([triton.address for triton in tritons])}\n")


def endpoints(gateway: Gateway) -> dict[str, dict[str, Any]]:
    return {each["address"]: each for each in json.loads(gateway.get("/debug/endpoints"))["scripted"]}


def up(gateway: Gateway) -> set[str]:
    return {address for address, each in endpoints(gateway).items() if each["state"] == "up"}


def ask(gateway: Gateway, tag: str, *, seconds: float = 60) -> httpx.Response:
    content = script_text(Script(tag=tag, text="one two three"))
    body = {"model": "scripted", "messages": [{"role": "user", "content": content}]}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=seconds)


def test_a_list_that_grows_shrinks_and_breaks(tritons: tuple[Triton, Triton], listing: Path, gateway: Gateway) -> None:
    first, second = tritons
    assert gateway.status("/readyz") == 503
    refused = ask(gateway, "nobody")
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)

    write(listing, first)
    wait_for(lambda: gateway.status("/readyz") == 200, 30, "the first Triton is found")
    assert ask(gateway, "first").status_code == 200

    write(listing, first, second, first)
    wait_for(lambda: up(gateway) == {first.address, second.address}, 30, "the second Triton is found")
    assert "is listed more than once" in gateway.log.read_text()

    listing.write_text('endpoints = ["')
    wait_for(lambda: "not valid TOML" in gateway.log.read_text(), 30, "the broken list is noticed")
    assert up(gateway) == {first.address, second.address}

    write(listing, second)
    wait_for(lambda: set(endpoints(gateway)) == {second.address}, 30, "the first Triton is let go")
    for number in range(4):
        assert ask(gateway, f"second-{number}").status_code == 200
    assert "second-3" in second.journal.read_text()


def test_a_triton_that_is_ready_but_stuck_takes_no_requests_until_it_moves(
    tritons: tuple[Triton, Triton], listing: Path, gateway: Gateway
) -> None:
    first, second = tritons
    write(listing, first, second)
    wait_for(lambda: up(gateway) == {first.address, second.address}, 30, "both are up")
    first.mood(Mood(hang=True))
    try:
        with ThreadPoolExecutor(8) as pool:
            replies = [pool.submit(ask, gateway, f"stuck-{number}") for number in range(8)]
            wait_for(lambda: up(gateway) == {second.address}, 30, "the stuck Triton is noticed")
            # What waited there goes to the other, long before its deadline of 60 seconds.
            assert [reply.result().status_code for reply in replies] == [200] * 8
        assert "none of its requests got a token" in gateway.log.read_text()
        assert first.ready()
    finally:
        first.mood(Mood())
    wait_for(lambda: up(gateway) == {first.address, second.address}, 60, "it is tried again")
    for number in range(8):
        assert ask(gateway, f"moves-{number}").status_code == 200


def test_a_gateway_whose_only_triton_is_stuck_is_not_ready(
    tritons: tuple[Triton, Triton], listing: Path, gateway: Gateway
) -> None:
    second = tritons[1]
    write(listing, second)
    wait_for(lambda: set(endpoints(gateway)) == {second.address} == up(gateway), 30, "one is listed")
    second.mood(Mood(hang=True))
    try:
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(ask, gateway, "alone")
            wait_for(lambda: gateway.status("/readyz") == 503, 30, "the gateway says so")
            assert gateway.status("/healthz") == 200
            second.mood(Mood())
            assert reply.result().status_code == 200  # there is nobody else to go to: it was waited for
    finally:
        second.mood(Mood())
    wait_for(lambda: gateway.status("/readyz") == 200, 60, "it is tried again")
    assert ask(gateway, "moves").status_code == 200


def test_load_is_read_from_tritons_metrics(tritons: tuple[Triton, Triton], listing: Path, gateway: Gateway) -> None:
    first = tritons[0]
    write(listing, first)
    wait_for(lambda: up(gateway) == {first.address}, 30, "it is up")
    wait_for(lambda: endpoints(gateway)[first.address]["load"]["waiting"] == 0, 30, "its load is known")


def test_a_model_that_came_back_with_fewer_inputs_is_asked_as_it_is_now(
    tritons: tuple[Triton, Triton], listing: Path, gateway: Gateway
) -> None:
    first, second = tritons
    write(listing, first, second)
    wait_for(lambda: up(gateway) == {first.address, second.address}, 30, "both are up")
    first.load_model(load=False)
    wait_for(lambda: up(gateway) == {second.address}, 30, "the model is missed")
    path = first.folder / "repository" / MODEL / "config.pbtxt"
    config = text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())
    kept = [each for each in config.input if each.name != "random_seed"]
    assert len(kept) == len(config.input) - 1
    del config.input[:]
    config.input.extend(kept)
    path.write_text(text_format.MessageToString(config, as_utf8=True), "utf-8")
    first.load_model(load=True)
    wait_for(lambda: up(gateway) == {first.address, second.address}, 30, "the model is back")
    assert "differ in model signature" in gateway.log.read_text()
    write(listing, first)
    wait_for(lambda: set(endpoints(gateway)) == {first.address}, 30, "it is alone")
    assert ask(gateway, "fewer").status_code == 200
