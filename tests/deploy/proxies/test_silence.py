"""A silence of 95 seconds through each proxy, at full length: ``make deploy-slow``. The gateways here send no pings."""

from __future__ import annotations

import os

import pytest

from loadtest.faults.stage import LETTERS
from tests.deploy.proxies.client import Asked, scripted, text_of, whole
from tests.deploy.proxies.conftest import Stage

SILENCE_MS = 95_000

pytestmark = pytest.mark.skipif(os.environ.get("TEST_SLOW") != "1", reason="takes minutes: make deploy-slow")


@pytest.mark.timeout(300)
def test_a_silence_of_95_seconds(stage: Stage) -> None:
    """Before the first token, streamed and not, and between two tokens."""
    bodies = {
        "prefill": lambda tag: scripted(tag, first_delay_ms=SILENCE_MS),
        "whole": lambda tag: whole(tag, first_delay_ms=SILENCE_MS),
        "thinking": lambda tag: scripted(tag, chunks=[13, 27], delay_ms=SILENCE_MS),
    }
    asked = {
        f"{kind} {name}": Asked(proxy.url, make(f"silence-{kind}-{name}"), patience=200)
        for name, proxy in stage.proxies.items()
        for kind, make in bodies.items()
    }
    assert {name: text_of(each) for name, each in asked.items()} == dict.fromkeys(asked, LETTERS)
