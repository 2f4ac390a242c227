"""Throughput over the gateway's processes: the same clients and stand-ins, and more and more workers between them.

It knows how many of each there are. It must not know goals.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

from loadtest.ask import CHAT
from loadtest.bench.figures import Figures, Job
from loadtest.bench.fronts import StandIn, config, run
from loadtest.bench.place import Place
from loadtest.bench.replay import Pace
from loadtest.bench.section import STAND_IN, Column, Row, Section, rounded
from loadtest.processes import Gateway

KEY = "workers"
_STREAMS = 128
_TOKENS = 500
_ROUNDS = 2  # requests of each stream; who is quick takes those of the slow


def sides(most: int) -> int:
    """Clients, and stand-ins: enough that the gateway is what limits, where there are cores for all."""
    return max(1, (most + 1) // 2)


def enough_cores(most: int, cores: int) -> bool:
    return cores >= most + 2 * sides(most)


def measure(place: Place, counts: Sequence[int]) -> Section:
    each = sides(max(counts))
    cores = os.cpu_count() or 1
    enough = enough_cores(max(counts), cores)
    tokens = 100 if place.quick else _TOKENS
    rows: dict[int, list[Figures]] = {count: [] for count in counts}
    with ExitStack() as stack:
        stand_ins = [stack.enter_context(StandIn(Pace(0))) for _ in range(each)]
        gateways = {}
        for count in counts:
            place.progress.tell(f"{KEY}: starting a gateway of {count}")
            settings = config([server.port for server in stand_ins], "h2")
            gateways[count] = Gateway(place.folder, settings, "--workers", str(count))
            stack.callback(gateways[count].stop)
            gateways[count].start()
            run(Job((gateways[count].url,), 16 * count, 64 * count, 20))
        for number in range(place.runs):
            for count, gateway in gateways.items():
                place.progress.tell(f"{KEY}: run {number + 1} of {place.runs}, {count}")
                pids, behind = tuple(gateway.pids), tuple(server.pid for server in stand_ins)
                streams = _STREAMS // each
                # More workers get more to do, so that each run takes about as long, where they can be quicker.
                requests = streams * _ROUNDS * (count if enough else 1)
                job = Job((gateway.url,), streams, requests, tokens, CHAT, pids=pids, behind=behind)
                rows[count].append(together(run(*[job] * each)))
    notes = [f"{each} client process(es), {each} stand-in(s) and the workers share {cores} cores."]
    if not enough:
        notes.append(
            f"That is too few for {max(counts)} workers: clients and stand-ins compete with them, so this says little "
            "of how throughput grows. Where there are more: python -m loadtest.bench --only workers --workers 1,2,4,8"
        )
    return Section(
        KEY,
        f"Workers: {_STREAMS} streams, tokens as fast as they are read",
        COLUMNS,
        [
            Row("h2", STAND_IN, runs, rows[counts[0]], {"workers": count, "cores": cores, "first": counts[0]})
            for count, runs in rows.items()
        ],
        notes,
    )


def together(runs: Sequence[Figures]) -> Figures:
    """Clients that ran at once, as one. CPU of the servers was read by all of them."""
    first = max(runs, key=lambda run: run.seconds)
    return Figures(
        requests=sum(run.requests for run in runs),
        tokens=sum(run.tokens for run in runs),
        frames=sum(run.frames for run in runs),
        bytes=sum(run.bytes for run in runs),
        seconds=first.seconds,
        cpu=max(run.cpu for run in runs),
        behind_cpu=max(run.behind_cpu for run in runs),
        client_cpu=sum(run.client_cpu for run in runs),
        ttft=first.ttft,
        gap=first.gap,
        rss_before=first.rss_before,
        rss_most=max(run.rss_most for run in runs),
    )


COLUMNS: tuple[Column, ...] = (
    ("workers", lambda row: row.more["workers"]),
    ("in front of", lambda row: row.in_front_of),
    ("tokens/s", lambda row: rounded(row.median("rate"), 0)),
    ("× the first", lambda row: rounded(row.ratio("rate"), 2)),
    ("gateway µs/token", lambda row: rounded(row.median("cpu_us"), 1)),
    ("stand-ins µs", lambda row: rounded(row.median("behind_us"), 1)),
    ("clients µs", lambda row: rounded(row.median("client_us"), 1)),
    ("TTFT p99 ms", lambda row: rounded(row.median("ttft_p99"), 0)),
)
