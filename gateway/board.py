"""What is true of a process right now: its Tritons as it sees them, its memory and CPU. Of all processes, on one page.

It knows the balancer's states and how several processes tell each other: each writes a small file every second, and
whoever is asked reads those of the others. prometheus_client's own files cannot forget, so a Triton that is gone would
be shown for ever; here it is gone with the next look. It must not know requests.

``nv_trt_llm_*`` are Triton's own names, for endpoint pickers that read them from the gateway: sums over all Tritons of
a model that has ``triton_metrics``.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.core.balance import EndpointState, State

OLD_SECONDS = 5.0  # after which what another process wrote is no longer true: it ended, or hangs
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watched(Protocol):
    """The Tritons of one model."""

    @property
    def name(self) -> str: ...

    def ready(self) -> bool: ...

    def states(self) -> tuple[EndpointState, ...]: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One Triton of one model, as one process sees it."""

    model: str
    endpoint: str
    state: str
    in_flight: int
    outstanding_tokens: int
    slowness: float
    running: int | None
    waiting: int | None
    kv_used: float | None


@dataclass(frozen=True, slots=True)
class Page:
    """What one process says. ``at``: monotonic seconds, the same clock for all processes of a machine."""

    worker: int
    at: float
    cpu_seconds: float
    memory_bytes: int
    ready: dict[str, bool]  # by model
    rows: tuple[Row, ...]


class Board(Collector):
    """The pages of all processes as metrics."""

    def __init__(self, shared: str | None, worker: int) -> None:
        """``shared``: the folder for pages of several processes. ``worker``: the number of this one."""
        self._folder = None if shared is None else Path(shared)
        self._worker = worker
        self._pools: Callable[[], Iterable[Watched]] = lambda: ()
        self._own: Page | None = None

    def watch(self, pools: Callable[[], Iterable[Watched]]) -> None:
        """From now on these are looked at."""
        self._pools = pools

    def look(self) -> None:
        """Writes down how things are. In the event loop, to which pools belong."""
        pools = list(self._pools())
        rows = tuple(_row(pool.name, state) for pool in pools for state in pool.states())
        ready = {pool.name: pool.ready() for pool in pools}
        self._own = Page(self._worker, time.monotonic(), time.process_time(), _memory(), ready, rows)
        if self._folder is not None:
            path = self._folder / f"board_{self._worker}.json"
            with suppress(OSError):  # the folder goes with the parent
                path.with_suffix(".new").write_text(json.dumps(asdict(self._own)), "utf-8")
                path.with_suffix(".new").replace(path)

    def collect(self) -> Iterable[Metric]:
        """Called by a registry, in any thread."""
        pages = self._pages()
        build = GaugeMetricFamily("gateway_build_info", "The version that runs.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield from _processes(pages)
        yield from _endpoints(pages)

    def _pages(self) -> list[Page]:
        """Of all processes, the newest last."""
        pages = [] if self._own is None else [self._own]
        if self._folder is not None:
            now = time.monotonic()
            for path in self._folder.glob("board_*.json"):
                page = _read(path)
                if page is not None and page.worker != self._worker and now - page.at <= OLD_SECONDS:
                    pages.append(page)
        return sorted(pages, key=lambda page: page.at)


def _processes(pages: list[Page]) -> Iterable[Metric]:
    cpu = CounterMetricFamily("gateway_worker_cpu_seconds", "CPU time of a process.", labels=["worker"])
    memory = GaugeMetricFamily("gateway_worker_memory_bytes", "Resident memory of a process.", labels=["worker"])
    for page in pages:
        cpu.add_metric([str(page.worker)], page.cpu_seconds)
        memory.add_metric([str(page.worker)], page.memory_bytes)
    yield cpu
    yield memory


def _endpoints(pages: list[Page]) -> Iterable[Metric]:
    """Where processes differ: their numbers add up, and of the engine's own the newest is taken."""
    both = ["model", "endpoint"]
    ready: dict[str, int] = {}
    rows: dict[tuple[str, str], list[Row]] = {}
    for page in pages:
        for model, is_ready in page.ready.items():
            ready[model] = ready.get(model, 0) + is_ready
        for row in page.rows:
            rows.setdefault((row.model, row.endpoint), []).append(row)

    models = GaugeMetricFamily("gateway_model_ready", "Processes that have a Triton for the model.", labels=["model"])
    for model, count in ready.items():
        models.add_metric([model], count)
    yield models

    states = GaugeMetricFamily("gateway_endpoint_state", "Processes that see it so.", labels=[*both, "state"])
    flights = GaugeMetricFamily("gateway_endpoint_requests_in_flight", "Requests sent and not over.", labels=both)
    tokens = GaugeMetricFamily("gateway_endpoint_outstanding_tokens", "Tokens that are yet to be made.", labels=both)
    slowness = GaugeMetricFamily("gateway_endpoint_slowness", "Times the pace of the quicker ones.", labels=both)
    engines = GaugeMetricFamily(
        "gateway_endpoint_engine_requests", "The engine's own count, all its users.", labels=[*both, "state"]
    )
    used = GaugeMetricFamily("gateway_endpoint_kv_cache_used_ratio", "By the engine's own count.", labels=both)
    for key, seen in rows.items():
        for state in State:
            states.add_metric([*key, state.value], sum(row.state == state.value for row in seen))
        flights.add_metric(key, sum(row.in_flight for row in seen))
        tokens.add_metric(key, sum(row.outstanding_tokens for row in seen))
        slowness.add_metric(key, max(row.slowness for row in seen))
        newest = seen[-1]
        for kind, requests in (("running", newest.running), ("waiting", newest.waiting)):
            if requests is not None:
                engines.add_metric([*key, kind], requests)
        if newest.kv_used is not None:
            used.add_metric(key, newest.kv_used)
    yield from (states, flights, tokens, slowness, engines, used)
    yield from _as_triton([seen[-1] for seen in rows.values()])


def _as_triton(rows: list[Row]) -> Iterable[Metric]:
    requests = GaugeMetricFamily(
        "nv_trt_llm_request_metrics", "Sum over the model's Tritons.", labels=["model", "request_type"]
    )
    blocks = GaugeMetricFamily(
        "nv_trt_llm_kv_cache_block_metrics",
        "Mean over the model's Tritons.",
        labels=["model", "kv_cache_block_type"],
    )
    for model in sorted({row.model for row in rows}):
        own = [row for row in rows if row.model == model]
        running = [row.running for row in own if row.running is not None]
        waiting = [row.waiting for row in own if row.waiting is not None]
        used = [row.kv_used for row in own if row.kv_used is not None]
        if running:
            requests.add_metric([model, "scheduled"], sum(running))
        if waiting:
            requests.add_metric([model, "waiting"], sum(waiting))
        if used:
            blocks.add_metric([model, "fraction"], sum(used) / len(used))
    yield requests
    yield blocks


def _row(model: str, state: EndpointState) -> Row:
    load = state.load
    return Row(
        model,
        state.address,
        state.state.value,
        state.in_flight,
        state.outstanding_tokens,
        round(state.slowness, 3),
        load.running,
        load.waiting,
        load.kv_used_fraction,
    )


def _read(path: Path) -> Page | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return Page(**{**values, "rows": tuple(Row(**row) for row in values["rows"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # of a process that ended just now, or of another version


def _memory() -> int:
    """Resident now; where the system does not say, at most so far."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
