"""The gateway in front of a real tritonserver, on each route: direct, ensemble, BLS.

It knows what must be started for it, and where that is not to be had. It must not know goals.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from loadtest.ask import CHAT
from loadtest.bench.figures import Figures, Job
from loadtest.bench.fronts import run
from loadtest.bench.place import Place
from loadtest.bench.section import Column, Row, Section, pair, rounded
from loadtest.engine.script import Script, script_text
from loadtest.engine_repository import MAX_MODEL_LEN, SEEDLING
from loadtest.processes import Gateway, LoadTriton
from model_repo_builder.errors import LaunchError
from model_repo_builder.tritonserver import find_tritonserver

KEY = "routes"
ROUTES = ("direct", "ensemble", "bls")
_REAL = "tritonserver"
_FEW = 8  # as many as the repository has instances of the BLS model, each of which has one request at a time


@dataclass(frozen=True, slots=True)
class Load:
    streams: int
    gap_ms: float  # 0: as fast as they are taken
    requests: int
    tokens: int = 1500  # more than any gets that is left after so many seconds of all together
    hold: float | None = 3.0


SATURATED = Load(_FEW, 0, 4 * _FEW, 200, None)
LOADS: Mapping[str, tuple[Load, ...]] = {
    "direct": (Load(1, 20, 1), SATURATED, Load(64, 100, 64), Load(1000, 1500, 1000)),
    "ensemble": (SATURATED, Load(64, 100, 64)),
    "bls": (SATURATED, Load(_FEW, 50, _FEW)),
}
_WARM = Load(4, 0, 8, 20, None)
_QUICK = {"direct": (_WARM, Load(8, 50, 8, hold=0.5)), "ensemble": (_WARM,), "bls": (_WARM,)}


def measure(place: Place) -> Section:
    title = "Routes: the gateway in front of a real tritonserver, with the engine for load"
    try:
        find_tritonserver(None, os.environ)
    except LaunchError as exc:
        return Section(KEY, title, COLUMNS, (), skipped=(f"{', '.join(ROUTES)}: {exc}",))
    cores = os.cpu_count() or 1
    instances = max(2, cores // 4)
    rows = []
    with ExitStack() as stack:
        place.progress.tell(f"{KEY}: starting tritonserver")
        triton = LoadTriton(place.folder / "triton", instances=instances)
        stack.callback(triton.kill)
        triton.start()
        gateway = Gateway(place.folder, _config(triton.address))
        stack.callback(gateway.stop)
        gateway.start()
        for route in ROUTES:
            _ask(gateway, triton, route, _WARM)
            for load in (_QUICK if place.quick else LOADS)[route]:
                place.progress.tell(f"{KEY}: {route}, {load.streams} streams")
                figures = _ask(gateway, triton, route, load)
                more = {"streams": load.streams, "gap_ms": load.gap_ms}
                rows.append(Row(route, _REAL, [figures], more=more))
    notes = (
        f"One run each. The engine is a Python model in {instances} processes that sends prepared responses. CPU of",
        f"tritonserver is that of all its processes, the engine's too; they, gateway and client share {cores} cores.",
    )
    return Section(KEY, title, COLUMNS, rows, notes)


def _ask(gateway: Gateway, triton: LoadTriton, route: str, load: Load) -> Figures:
    prompt = script_text(Script(delay_ms=load.gap_ms))
    pids, behind = tuple(gateway.pids), tuple(triton.pids)
    job = Job((gateway.url,), load.streams, load.requests, load.tokens, CHAT, route, prompt, load.hold)
    return run(replace(job, pids=pids, behind=behind))[0]


def _config(address: str) -> str:
    """Every route as a model of its own, named like the route."""
    return "\n".join(
        f'[[models]]\nname = "{route}"\nroute = "{route}"\ntriton = "{address}"\ntokenizer = "{SEEDLING}"\n'
        f"max_model_len = {MAX_MODEL_LEN}\n"
        for route in ROUTES
    )


COLUMNS: tuple[Column, ...] = (
    ("route", lambda row: row.name),
    ("in front of", lambda row: row.in_front_of),
    ("streams", lambda row: row.more["streams"]),
    ("gap ms", lambda row: row.more["gap_ms"]),
    ("tokens/s", lambda row: rounded(row.median("steady_rate" if row.more["gap_ms"] else "rate"), 0)),
    ("TTFT p50 / p99 ms", lambda row: pair(row.median("ttft_p50"), row.median("ttft_p99"), 0)),
    ("gap p99 ms", lambda row: rounded(row.median("gap_p99"), 1)),
    ("gateway µs/token", lambda row: rounded(row.median("cpu_us"), 0)),
    ("streaming µs", lambda row: rounded(row.median("steady_us"), 0)),
    ("tritonserver µs/token", lambda row: rounded(row.median("behind_us"), 0)),
    ("tokens/frame", lambda row: rounded(row.median("frame_tokens"), 2)),
)
