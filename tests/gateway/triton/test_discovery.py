"""Lists of Tritons that change under the watcher's eyes: names through a resolver given in, files on the disk."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.core.places import Place
from gateway.triton import discovery
from gateway.triton.discovery import Dns, File, Source, source
from tests.gateway.triton.watching import WAIT_SECONDS, Names, watched

SOON = 0.01  # seconds between two looks
GONE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def logged(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


async def until(met: object) -> None:
    """Until the condition holds; what it asks about has no event."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not met():  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(SOON)


async def test_a_fixed_list_comes_at_once_without_doubles(caplog: pytest.LogCaptureFixture) -> None:
    spec = ["b:2", "a:1", "B:02", "a:1"]
    async with watched(source(spec, metrics="http://{host}:8002/metrics")) as heard:
        assert heard.lists == [
            (Place("b:2", 1.0, "http://b:8002/metrics"), Place("a:1", 1.0, "http://a:8002/metrics")),
        ]
    assert logged(caplog, "Triton b:2, a:1 is listed more than once") == 1


@pytest.mark.parametrize("spec", ["gpu-1", "dns:gpu-1", "http://gpu:8001", "dns:gpu:99999"])
def test_another_form_is_refused(spec: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        source([spec])


def test_nothing_listed_is_nobody() -> None:
    assert isinstance(source([]), discovery.Together)


async def test_a_name_follows_its_addresses() -> None:
    names = Names(["10.0.0.2", "10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "[fd00::3]"])
    async with watched(Dns("tritons", 8001, seconds=SOON, resolve=names)) as heard:
        await heard.until(lambda: heard.addresses == ["10.0.0.1:8001", "[fd00::3]:8001"])
    # Sorted and once each: that the server rotates its answers is no change.
    assert [place.address for place in heard.lists[0]] == ["10.0.0.1:8001", "10.0.0.2:8001"]
    assert len(heard.lists) == 2


@pytest.mark.parametrize("trouble", [GONE, []], ids=["no such name", "no address"])
async def test_a_name_that_is_lost_keeps_its_addresses_and_says_so_once(
    trouble: list[str] | OSError, caplog: pytest.LogCaptureFixture
) -> None:
    names = Names(["10.0.0.1"], trouble, trouble, trouble, ["10.0.0.1"], ["10.0.0.1", "10.0.0.2"])
    caplog.set_level("INFO")
    async with watched(Dns("tritons", 8001, seconds=SOON, resolve=names)) as heard:
        await heard.until(lambda: len(heard.addresses) == 2)
    assert [len(places) for places in heard.lists] == [1, 2]
    assert logged(caplog, "Cannot get the addresses of tritons: ") == 1
    assert logged(caplog, "Got the addresses of tritons again") == 1


async def test_a_name_that_is_unknown_at_first_is_an_empty_list_until_it_is_there() -> None:
    names = Names(GONE, GONE, ["10.0.0.1"])
    async with watched(Dns("tritons", 8001, seconds=SOON, resolve=names)) as heard:
        await heard.until(lambda: bool(heard.addresses))
    assert [len(places) for places in heard.lists] == [0, 1]


async def test_a_resolver_that_hangs_costs_one_thread_and_nobody_waits_for_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "LOOK_SECONDS", SOON)
    answer, asked = threading.Event(), 0

    def resolve(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        assert answer.wait(WAIT_SECONDS)
        return ["10.0.0.1"]

    async with watched(Dns("tritons", 8001, seconds=SOON, resolve=resolve)) as heard:
        assert heard.lists == [()]
        await until(lambda: logged(caplog, "no answer within") == 1)
        assert asked == 1
        answer.set()
        await heard.until(lambda: heard.addresses == ["10.0.0.1:8001"])


async def test_the_systems_resolver() -> None:
    async with watched(source(["dns:localhost:8001"])) as heard:
        assert {"127.0.0.1:8001", "[::1]:8001"} & set(heard.addresses)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64, "-"])
async def test_the_systems_resolver_on_a_name_that_is_none(host: str) -> None:
    async with watched(source([f"dns:{host}:8001"])) as heard:
        assert heard.lists == [()]


def watching_file(path: Path) -> Source:
    return File(path, seconds=SOON)


async def test_a_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "tritons.toml"
    path.write_text('endpoints = ["a:1"]')
    async with watched(watching_file(path)) as heard:
        assert heard.addresses == ["a:1"]
        path.write_text('endpoints = ["a:1", {address = "b:2", weight = 2.0}]')
        await heard.until(lambda: heard.lists[-1] == (Place("a:1"), Place("b:2", 2.0)))
        path.write_text("endpoints = []")
        await heard.until(lambda: heard.lists[-1] == ())


async def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "tritons"
    path.write_text("a:1\n")
    before = path.stat()
    async with watched(watching_file(path)) as heard:
        path.write_text("b:1\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        await heard.until(lambda: heard.addresses == ["b:1"])


async def test_a_link_that_is_swapped_is_followed(tmp_path: Path) -> None:
    """How Kubernetes changes a mounted ConfigMap."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}:1\n")
    path = tmp_path / "tritons"
    path.symlink_to("a")
    async with watched(watching_file(path)) as heard:
        (tmp_path / "next").symlink_to("b")
        (tmp_path / "next").rename(path)
        await heard.until(lambda: heard.addresses == ["b:1"])


BROKEN = [
    ("half-written", b'endpoints = ["a:1", ', "not valid TOML"),
    ("emptied", b"", "it is empty"),
    ("binary", b"\xff\xfe\x00", "not text in UTF-8"),
    ("huge", b"a:1\n" * 300_000, "larger than 1024 KiB"),
    ("wrong", b"a\n", "line 1: 'a' is not HOST:PORT"),
]


@pytest.mark.parametrize(("content", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
async def test_a_broken_file_keeps_the_last_list_and_says_so_once(
    tmp_path: Path, content: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tritons"
    path.write_text("a:1\n")
    caplog.set_level("INFO")
    async with watched(watching_file(path)) as heard:
        path.write_bytes(content)
        await until(lambda: logged(caplog, message))
        assert heard.lists == [(Place("a:1"),)]
        path.write_text("a:1\n")
        await until(lambda: logged(caplog, "again"))
        path.write_text("b:1\n")
        await heard.until(lambda: heard.addresses == ["b:1"])
    assert logged(caplog, f"Cannot get the list of Tritons {path}: ") == 1
    assert logged(caplog, "The last good list stays in force") == 1


async def test_a_file_that_is_lost_keeps_its_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tritons"
    path.write_text("a:1\n")
    async with watched(watching_file(path)) as heard:
        path.unlink()
        await until(lambda: logged(caplog, "No such file"))
        assert heard.lists == [(Place("a:1"),)]
        path.write_text("b:1\n")
        await heard.until(lambda: heard.addresses == ["b:1"])


@pytest.mark.parametrize("kind", ["missing", "a folder", "broken"])
async def test_a_file_that_is_no_list_at_first_is_an_empty_one_until_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tritons"
    if kind == "a folder":
        path.mkdir()
    elif kind == "broken":
        path.write_text("a")
    async with watched(watching_file(path)) as heard:
        assert heard.lists == [()]
        if kind == "a folder":
            path.rmdir()
        path.write_text("a:1\n")
        await heard.until(lambda: heard.addresses == ["a:1"])


async def test_a_pipe_in_the_place_of_a_file_hangs_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "LOOK_SECONDS", SOON)
    path = tmp_path / "tritons"
    os.mkfifo(path)
    async with watched(watching_file(path)) as heard:
        assert heard.lists == [()]
        assert logged(caplog, "no answer within") == 1
        with path.open("w") as pipe:  # lets the thread that reads it end
            pipe.write("a:1\n")


async def test_several_sources_are_one_list(tmp_path: Path) -> None:
    path = tmp_path / "tritons.toml"
    path.write_text('endpoints = [{address = "c:3", metrics = "http://c:9/m"}, "10.0.0.1:8001"]')
    spec = ["a:1", f"file:{path}", "dns:tritons:8001"]
    names = Names(["10.0.0.1", "10.0.0.2"])
    metrics = "http://{host}:8002/metrics"
    async with watched(source(spec, metrics=metrics, resolve=names, file_seconds=SOON)) as heard:
        await heard.until(lambda: len(heard.addresses) == 4)
        assert heard.lists[-1] == (
            Place("a:1", 1.0, "http://a:8002/metrics"),
            Place("c:3", 1.0, "http://c:9/m"),
            Place("10.0.0.1:8001", 1.0, "http://10.0.0.1:8002/metrics"),
            Place("10.0.0.2:8001", 1.0, "http://10.0.0.2:8002/metrics"),
        )
        path.write_text("endpoints = []")
        await heard.until(lambda: heard.addresses == ["a:1", "10.0.0.1:8001", "10.0.0.2:8001"])
