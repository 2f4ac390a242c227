"""A turn with front ends that do not start or do not answer, on real processes and a real gateway behind."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

from loadtest.bench.replay import Pace
from loadtest.measurement import family
from loadtest.peers.catalog import FLOOR, PEERS
from loadtest.peers.environments import NotInstalled
from loadtest.peers.peer import Load, Peer, Place, Running, Served, served
from loadtest.peers.turns import take_turns
from loadtest.processes import status
from model_repo_builder.ports import free_port
from tests.support.processes import gone
from tests.support.waiting import wait_for

LOAD = Load("paced", Pace(0.002), 5, streams=3)
# A server that answers every request, but with an error, and one that ends before it serves.
_BROKEN = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_error(200)
    def do_POST(self): self.rfile.read(int(self.headers["content-length"])); self.send_error(500, "the engine is away")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def broken(place: Place, stack: contextlib.ExitStack) -> Running:
    port = free_port()
    process = served(place.folder, stack, "broken", [sys.executable, "-c", _BROKEN, str(port)])
    process.wait_until(lambda: status(port, "/") == 200, 30)
    return Running(process, f"http://127.0.0.1:{port}")


def ends(place: Place, stack: contextlib.ExitStack) -> Running:
    words = "print('reading settings'); raise SystemExit('there is no key')"
    process = served(place.folder, stack, "ends", [sys.executable, "-c", words])
    process.wait_until(lambda: False, 30)
    raise AssertionError("it was waited for")


def test_the_others_go_on(tmp_path: Path) -> None:
    floor = next(peer for peer in PEERS if peer.name == FLOOR)
    peers = [floor, Peer("broken", broken, "fails"), Peer("ends", ends, "fails"), Peer("absent", ends, "is not there")]
    environments = {"emitter": None, "broken": None, "ends": None, "absent": NotInstalled("pip: no such thing")}
    told: list[str] = []
    found = take_turns(peers, environments, LOAD, tmp_path, runs=2, tell=told.append)
    standings = {standing.peer: standing for standing in found}
    assert list(standings) == [peer.name for peer in peers]
    assert len(standings["emitter"].runs) == 2
    assert standings["emitter"].middle is not None
    assert standings["emitter"].middle.cpu_per_token > 0
    assert standings["emitter"].middle.frames_per_token == 1
    assert standings["broken"].reason.startswith("did not answer: ")
    assert "500" in standings["broken"].reason
    assert standings["ends"].reason.startswith("not started: ")
    assert "there is no key" in standings["ends"].reason
    assert standings["absent"].reason == "not installed: pip: no such thing"
    assert not any("\n" in standing.reason for standing in found)
    assert "paced: turn 2 of 2, emitter" in told
    assert not [line for line in told if "turn" in line and "broken" in line]


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    process = Served([sys.executable, "-c", code + "time.sleep(600)"], tmp_path / "log")
    process.launch()
    wait_for(lambda: len(family(process.pid)) == 2, 30, "its child runs")
    child = family(process.pid)[1]
    process.stop()  # SIGTERM ends it, and leaves its child
    wait_for(lambda: gone(child), 10, "its child is gone")


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_versions_are_pinned(peer: Peer) -> None:
    if peer.wanted is not None:
        named = [each for call in peer.wanted.calls for each in call]
        assert any(each.startswith(peer.distribution) and "==" in each for each in named)
