"""The client leaves; the engine must know, in every situation, on every route. How soon, loadtest.faults measures."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import RawClient, messages
from tests.support.gateway import Gateway
from tests.support.triton import ScriptedTriton
from tests.support.waiting import until

SECONDS = 5  # never is what fails

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
    client.leave()
    # A gRPC cancel would come too, for what does not stop in time.
    assert journal.wait_for(tag, "cancel", SECONDS)["how"] == "stop"
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
    until(lambda: scripted.metric("gateway_requests_in_flight", model="auto") == 0, SECONDS)
    assert scripted.metric("gateway_requests_total", model="auto", outcome="cancelled") == cancelled + 5
