"""The client leaves; the engine must know within 300 ms, in every situation and on every route."""

from __future__ import annotations

import time
from typing import Any

import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import RawClient, messages
from tests.support.gateway import Gateway
from tests.support.triton import ScriptedTriton

LIMIT = 5  # seconds: never is what fails; how soon it is, loadtest.faults measures

SITUATIONS = {
    "before-the-first-token": ({"hang_after": 0}, True),
    "while-streaming": ({"repeat": True, "delay_ms": 10}, True),
    "collected": ({"hang_after": 2}, False),
}


@pytest.mark.parametrize("route", ["direct", "ensemble", "bls"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_engine_sees_the_cancel(
    scripted: Gateway, scripted_triton: ScriptedTriton, route: str, situation: str
) -> None:
    knobs: dict[str, Any]
    knobs, stream = SITUATIONS[situation]
    tag = f"leave-{situation}-{route}"
    script = Script(tag=tag, text="one two three ", **knobs)
    client = RawClient(scripted, {"model": route, "messages": messages(script), "stream": stream})
    journal = scripted_triton.journal
    if situation == "while-streaming":
        client.read_until(b'"delta":{"content":')
    else:
        journal.wait_for(tag, "hang")
    left = time.time()
    client.leave()
    seen = journal.wait_for(tag, "cancel")
    assert seen["time"] - left < LIMIT
    assert journal.wait_for(tag, "end")["reason"] == "cancel"


def test_nothing_stays_in_flight(scripted: Gateway, scripted_triton: ScriptedTriton) -> None:
    cancelled = scripted.metric("gateway_requests_total", model="auto", outcome="cancelled")
    for number in range(5):
        tag = f"flight-{number}"
        script = Script(tag=tag, text="x", hang_after=0)
        client = RawClient(scripted, {"model": "auto", "messages": messages(script), "stream": True})
        scripted_triton.journal.wait_for(tag, "hang")
        client.leave()
        scripted_triton.journal.wait_for(tag, "cancel")
    deadline = time.monotonic() + 5
    while scripted.metric("gateway_requests_in_flight", model="auto") > 0:
        assert time.monotonic() < deadline
    assert scripted.metric("gateway_requests_total", model="auto", outcome="cancelled") == cancelled + 5
