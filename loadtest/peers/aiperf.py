"""NVIDIA's aiperf as an independent check: the same load on the same gateway, measured by it and by our own client.

It knows aiperf's command line and the file that it writes. Both clients run alone, one after the other.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtest.bench.fronts import MODEL, BrokenRun
from loadtest.bench.replay import Pace
from loadtest.engine_repository import SEEDLING
from loadtest.peers.catalog import OURS, PEERS
from loadtest.peers.environments import Tell, Wanted, prepare
from loadtest.peers.peer import Load, Running, served
from loadtest.peers.turns import engines, started
from loadtest.summary import table

WANTED = Wanted("aiperf", (("aiperf==0.13.0",),))
_REQUESTS = 3  # of each stream
_SECONDS = 300.0
_EXPORT = "profile_export_aiperf.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one client says. Times are milliseconds; between tokens: the mean gap of an answer, over the answers."""

    requests: float
    requests_per_second: float
    ttft_average: float
    ttft_p50: float
    ttft_p99: float
    inter_token_average: float
    inter_token_p50: float
    inter_token_p99: float

    @classmethod
    def of_ours(cls, seen: Mapping[str, Any]) -> Seen:
        ttft, inter = seen["ttft"], seen["inter_token"]
        rate = seen["asked"] / seen["seconds"]
        return cls(
            seen["asked"], rate, seen["ttft_average"], ttft["p50"], ttft["p99"],
            inter["average"], inter["p50"], inter["p99"],
        )  # fmt: skip

    @classmethod
    def of_export(cls, export: Mapping[str, Any]) -> Seen:
        """BrokenRun where the file is not as expected: another version writes another one."""
        try:
            ttft, inter = export["time_to_first_token"], export["inter_token_latency"]
            return cls(
                export["request_count"]["avg"], export["request_throughput"]["avg"],
                ttft["avg"], ttft["p50"], ttft["p99"], inter["avg"], inter["p50"], inter["p99"],
            )  # fmt: skip
        except (KeyError, TypeError) as exc:
            raise BrokenRun(f"aiperf's {_EXPORT} has no {exc}; it has {', '.join(export)}") from exc


@dataclass(frozen=True, slots=True)
class Compared:
    """The two on one gateway, ours twice: so that a drift of the machine shows."""

    version: str
    load: Load
    ours: Seen
    aiperf: Seen
    ours_again: Seen

    def markdown(self, machine: str) -> str:
        names = {"ours, before": self.ours, f"aiperf {self.version}": self.aiperf, "ours, after": self.ours_again}
        rows = []
        for name in Seen.__slots__:
            row: dict[str, object] = {"measure": name.replace("_", " ")}
            rows.append(row | {client: f"{getattr(seen, name):.2f}" for client, seen in names.items()})
        load = self.load
        words = (
            f"{load.streams} streams, {_REQUESTS} requests each, {load.tokens} tokens {load.pace.gap * 1e3:g} ms apart"
        )
        return f"The same gateway on the stand-in for Triton: {words}. Times in ms. {machine}\n\n{table(rows)}\n"

    def json(self) -> dict[str, Any]:
        return asdict(self)


def compare(root: Path, folder: Path, streams: int, tokens: int, tell: Tell) -> Compared:
    """Ours, aiperf and ours again, on one gateway in front of the stand-in for Triton."""
    environment = prepare(root, WANTED, tell)
    load = Load("paced", Pace(0.05), tokens, streams)
    gateway = next(peer for peer in PEERS if peer.name == OURS)
    with engines(load, folder) as place, contextlib.ExitStack() as stack:
        running = started(gateway, place, stack)
        tell("aiperf: warm-up")
        ask(running, load, streams=8, requests=1)
        tell("aiperf: our own client")
        ours = ask(running, load, streams=streams, requests=_REQUESTS)
        tell("aiperf: aiperf")
        theirs = Seen.of_export(profile(environment.program("aiperf"), running, load, folder))
        tell("aiperf: our own client again")
        again = ask(running, load, streams=streams, requests=_REQUESTS)
    return Compared(environment.version("aiperf"), load, ours, theirs, again)


def ask(running: Running, load: Load, *, streams: int, requests: int) -> Seen:
    """What our own client sees, in a process of its own. BrokenRun where an answer failed."""
    command = [sys.executable, "-m", "loadtest.peers.client", running.url, "--tokens", str(load.tokens)]
    command += ["--streams", str(streams), "--requests", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        raise BrokenRun(f"the client failed:\n{done.stderr[-2000:]}")
    seen = json.loads(done.stdout)
    if set(seen["kinds"]) != {"ok"}:
        raise BrokenRun(f"answers failed: {seen['kinds']}")
    return Seen.of_ours(seen)


def profile(program: str, running: Running, load: Load, folder: Path) -> dict[str, Any]:
    """What it writes of one load."""
    output = folder / "aiperf"
    command = [program, "profile", "--model", MODEL, "--url", running.url, "--endpoint-type", "chat", "--streaming"]
    command += ["--concurrency", str(load.streams), "--request-count", str(load.streams * _REQUESTS)]
    command += ["--synthetic-input-tokens-mean", "16", "--output-tokens-mean", str(load.tokens)]
    command += ["--tokenizer", str(SEEDLING), "--random-seed", "1", "--ui", "none", "--artifact-dir", str(output)]
    command += ["--workers-max", "1"]
    with contextlib.ExitStack() as stack:
        process = served(folder, stack, "aiperf", command)
        code = process.wait(_SECONDS)
    log = (folder / "aiperf.log").read_text("utf-8", "replace")[-1500:]
    if code is None:
        raise BrokenRun(f"aiperf did not end within {_SECONDS:.0f} s:\n{log}")
    try:
        export: dict[str, Any] = json.loads((output / _EXPORT).read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise BrokenRun(f"aiperf ended with {code} and left no figures ({exc}):\n{log}") from exc
    return export
