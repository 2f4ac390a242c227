"""The raw client against a real gateway and a scripted Triton."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from loadtest.ask import Ask, chat
from loadtest.client import Client
from loadtest.load import arrivals, closed_loop, open_loop
from loadtest.measurement import cpu_seconds, family, usage
from tests.loadtest.conftest import Place, asking


async def test_an_answer(place: Place) -> None:
    client = Client(place.gateway.url)
    apart = {"delay_ms": 50}  # tokens that come together are one frame
    seen = await client.ask(asking("load-one", keep_text=True, more=apart))
    again = await client.ask(asking("load-again", keep_text=True))
    client.close()
    assert (seen.kind, seen.status, seen.frames, len(seen.gaps)) == ("ok", 200, 6, 5)
    assert seen.text == again.text
    assert seen.text.startswith("one two")
    assert seen.ttft is not None
    assert 0 < seen.ttft < seen.seconds


async def test_a_slow_reader_gets_all(place: Place) -> None:
    client = Client(place.gateway.url)
    seen = await client.ask(asking("load-slow", read_bytes=512, read_every=0.01, keep_text=True))
    assert (seen.kind, seen.text[:7]) == ("ok", "one two")


@pytest.mark.parametrize("knobs", [{"leave_after": 0.2}, {"leave_after_frames": 3}], ids=["after-a-time", "after-3"])
async def test_leaving(place: Place, knobs: dict[str, object]) -> None:
    client, tag = Client(place.gateway.url), f"load-leave-{len(knobs)}-{next(iter(knobs))}"
    seen = await client.ask(asking(tag, tokens=500, more={"delay_ms": 20}, **knobs))
    assert seen.kind == "left"
    assert place.journal.wait_for(tag, "end")["reason"] == "cancel"


async def test_what_goes_wrong_is_told(place: Place) -> None:
    client = Client(place.gateway.url)
    unknown = await client.ask(Ask(chat("nobody", "x")))
    failed = await client.ask(asking("load-fail", more={"error_after": 2}))
    client.close()
    refused = await Client("http://127.0.0.1:9").ask(Ask(b"{}"))
    assert (unknown.kind, failed.kind, refused.kind) == ("404", "error frame", "refused")
    assert "nobody" in unknown.error
    assert "scripted failure" in failed.error


async def test_loops(place: Place) -> None:
    client = Client(place.gateway.url)
    closed = await closed_loop(client, (asking(f"closed-{n}") for n in range(12)), clients=4)
    opened = await open_loop(client, (asking(f"open-{n}") for n in range(12)), rate=100)
    client.close()
    assert [seen.kind for seen in closed + opened] == ["ok"] * 24


def test_arrivals_repeat_and_have_the_rate() -> None:
    first = [at for at, _ in zip(arrivals(50, 7), range(5000), strict=False)]
    again = [at for at, _ in zip(arrivals(50, 7), range(5000), strict=False)]
    assert first == again
    assert 95 < first[-1] < 105


def test_usage_of_this_process() -> None:
    here = usage([os.getpid(), 2**22 + 1])
    assert here.rss_bytes > 10 * 2**20
    assert here.files >= 3
    assert family(os.getpid())[0] == os.getpid()


def test_cpu_is_that_of_the_process_clock() -> None:
    """Each is read inside and outside the other's span."""
    first, began, before = time.process_time(), cpu_seconds([os.getpid(), 2**22 + 1]), time.process_time()
    while time.process_time() < before + 0.01:
        pass
    after, ended, last = time.process_time(), cpu_seconds([os.getpid()]), time.process_time()
    assert after - before <= ended - began <= last - first


def test_files_are_counted(tmp_path: Path) -> None:
    before = usage([os.getpid()]).files
    with (tmp_path / "open").open("w"):
        assert usage([os.getpid()]).files == before + 1
