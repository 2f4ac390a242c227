"""All front ends under one load, in turns. One that does not start or does not answer is a reason, not an end.

It knows processes and figures. It must not know which front ends there are, nor how figures are shown.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtest.bench.figures import Figures, Job
from loadtest.bench.fronts import BrokenRun, StandIn, config, record, run
from loadtest.bench.replay import Pace
from loadtest.engine_repository import NotStarted
from loadtest.peers.environments import Environment, NotInstalled, Tell, prepare
from loadtest.peers.peer import Load, Peer, Place, Running, served
from loadtest.processes import Gateway, status
from model_repo_builder.ports import free_port

_WARM_STREAMS = 8
_RECORDED_TOKENS = 64
_RECORDING = Pace(0.01)


@dataclass(frozen=True, slots=True)
class Middle:
    """Of the runs of one front end at one load: microseconds, milliseconds, tokens a second, MiB."""

    cpu_per_token: float
    frames_per_token: float  # less than 1 where a front end sends several tokens as one
    ttft_p50: float
    ttft_p99: float
    gap_p99: float
    tokens_per_second: float
    rss_mib: float

    @classmethod
    def of(cls, runs: Sequence[Figures]) -> Middle:
        def median(values: Iterable[float | None]) -> float:
            return statistics.median(value or 0.0 for value in values)

        return cls(
            cpu_per_token=median(run.cpu_us for run in runs),
            frames_per_token=median(run.frames / run.tokens for run in runs),
            ttft_p50=median(run.ttft_p50 for run in runs),
            ttft_p99=median(run.ttft_p99 for run in runs),
            gap_p99=median(run.gap_p99 for run in runs),
            tokens_per_second=median(run.rate for run in runs),
            rss_mib=median(run.rss_most / 2**20 for run in runs),
        )


@dataclass(slots=True)
class Standing:
    """What is known of one front end at one pace."""

    peer: str
    version: str = ""
    reason: str = ""  # why there are no figures, or no more
    runs: list[Figures] = field(default_factory=list)

    @property
    def middle(self) -> Middle | None:
        return Middle.of(self.runs) if self.runs else None

    def json(self) -> dict[str, Any]:
        """Without the distributions of the single runs."""
        runs = [asdict(Middle.of([run])) for run in self.runs]
        return {
            "front_end": self.peer,
            "version": self.version,
            "reason": self.reason,
            "median": None if self.middle is None else asdict(self.middle),
            "runs": runs,
        }


def installed(peers: Sequence[Peer], root: Path, tell: Tell) -> dict[str, Environment | NotInstalled | None]:
    """The environment of each, or why there is none; None for what needs none."""
    found: dict[str, Environment | NotInstalled | None] = {}
    for peer in peers:
        try:
            found[peer.name] = prepare(root, peer.wanted, tell) if peer.wanted else None
        except (NotInstalled, OSError) as exc:
            found[peer.name] = exc if isinstance(exc, NotInstalled) else NotInstalled(str(exc))
    return found


def take_turns(
    peers: Sequence[Peer],
    environments: Mapping[str, Environment | NotInstalled | None],
    load: Load,
    folder: Path,
    *,
    runs: int,
    tell: Tell,
) -> list[Standing]:
    """Every front end runs all the while; each is measured once a turn, while the others wait."""
    with engines(load, folder) as place, contextlib.ExitStack() as stack:
        standings, running = [], {}
        for peer in (each for each in peers if each.load in ("", load.name)):
            tell(f"{load.name}: starting {peer.name}")
            standing = Standing(peer.name)
            standings.append(standing)
            environment = environments[peer.name]
            if isinstance(environment, NotInstalled):
                standing.reason = f"not installed: {environment}"
                continue
            standing.version = environment.version(peer.distribution) if environment else ""
            try:
                running[peer.name] = started(peer, replace(place, environment=environment), stack)
            except (NotStarted, OSError) as exc:
                standing.reason = f"not started: {_line(exc)}"
        tell(f"{load.name}: warm-up")
        warm_up(standings, running, load)
        for turn in range(runs):
            for standing in standings:
                if not standing.reason:
                    tell(f"{load.name}: turn {turn + 1} of {runs}, {standing.peer}")
                    standing.runs += take_turn(standing, running, load.streams, load)
    return standings


def warm_up(standings: Sequence[Standing], running: Mapping[str, Running], load: Load) -> None:
    """What is loaded late is loaded now: all at once, and one by one to know who where one does not answer."""
    streams = min(_WARM_STREAMS, load.streams)
    try:
        run(*(job(one, load, streams) for one in running.values()))
    except BrokenRun:
        for standing in standings:
            if not standing.reason:
                take_turn(standing, running, streams, load)


def take_turn(standing: Standing, running: Mapping[str, Running], streams: int, load: Load) -> list[Figures]:
    """One run; none where not all was answered, and the reason with its standing."""
    try:
        (figures,) = run(job(running[standing.peer], load, streams))
        if not figures.frames:
            raise BrokenRun("no frame with text came")
    except BrokenRun as exc:
        standing.reason = f"did not answer: {_line(exc)}"
        return []
    return [figures]


def job(running: Running, load: Load, streams: int) -> Job:
    return Job((running.url,), streams, streams, load.tokens, path=running.path, pids=tuple(running.process.pids))


def started(peer: Peer, place: Place, stack: contextlib.ExitStack) -> Running:
    """Ready. What one started before it failed is stopped at once, not when all are."""
    with contextlib.ExitStack() as own:
        running = peer.start(place, own)
        stack.push(own.pop_all())
        return running
    raise AssertionError("unreachable: an exit stack of our own swallows nothing")


@contextlib.contextmanager
def engines(load: Load, folder: Path) -> Iterator[Place]:
    """What front ends ask: the worker and the stand-in for Triton; and the frames for the emitter."""
    with StandIn(_RECORDING) as triton, contextlib.ExitStack() as stack:
        gateway = Gateway(folder, config(triton.port, "h2"))
        try:
            gateway.start()
            frames = record(gateway, _RECORDED_TOKENS)
        finally:
            gateway.stop()
        triton.pace(load.pace)
        port = free_port()
        command = [sys.executable, "-m", "loadtest.peers.worker", "--port", str(port), "--tokens", str(load.tokens)]
        command += ["--gap-ms", str(load.pace.gap * 1000), *(["--steps"] if load.pace.steps else [])]
        worker = served(folder, stack, "worker", command)
        worker.wait_until(lambda: status(port, "/health") == 200, 60)
        yield Place(folder, load, port, triton.port, frames)


def _line(exc: Exception) -> str:
    """The words of an error on one line, its end where the log of a process follows."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0] if len(lines) < 2 else f"{lines[0]} … {lines[-1][-200:]}"
