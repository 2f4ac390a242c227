"""The goals beside the figures. Pure.

It knows what was set as a goal and where its figure is found. A goal whose figure was not measured says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtest.bench.section import Row, Section, rounded
from loadtest.bench.streams import kept
from loadtest.bench.workers import enough_cores

Sections = Mapping[str, Section]


@dataclass(frozen=True, slots=True)
class Goal:
    """``reached``: None where this run cannot say; ``why`` says why then."""

    what: str
    goal: str
    figure: str | None
    reached: bool | None
    milestone: str = ""
    why: str = ""

    def row(self) -> dict[str, object]:
        verdict = self.why if self.reached is None else "reached" if self.reached else "MISSED"
        return {"what": self.what, "goal": self.goal, "figure": self.figure, "": " ".join((verdict, self.milestone))}


def goals(sections: Sections) -> list[Goal]:
    """All of them, in the order of the tables."""
    return [
        _most("CPU per token, paced, × emitter", 1.2, _of(sections, "paced", lambda r: r.ratio("cpu_us")), near=1.8),
        _most("… while streaming", 1.2, _of(sections, "paced", lambda r: r.ratio("steady_us")), near=1.8),
        _most("CPU per token, in steps, × emitter", 1.2, _of(sections, "steps", lambda r: r.ratio("cpu_us")), near=1.8),
        _most(
            "CPU per token, saturated, × emitter", 1.5, _of(sections, "saturated", lambda r: r.ratio("cpu_us")), near=3
        ),
        _most("… × emitter that writes once a turn", 1.5, _of(sections, "saturated", _turn), near=3),
        _most("added TTFT p99, staggered, ms", 5, _of(sections, "staggered", lambda r: r.added("ttft_p99"))),
        _most("added TTFT p99, all at once, ms", 5, _of(sections, "paced", lambda r: r.added("ttft_p99"))),
        _most("added gap p99, staggered, ms", 2, _of(sections, "staggered", lambda r: r.added("gap_p99"))),
        _most("added gap p99, all at once, ms", 2, _of(sections, "paced", lambda r: r.added("gap_p99"))),
        _most("memory at 1,000 streams, kB each", 150, _of(sections, "streams", lambda r: r.stream_kb, streams=1000)),
        _most("cost of a token, 1,000 streams × 64 streams", 1.2, _flat(sections)),
        _workers(sections, 2, 1.8),
        _workers(sections, 8, 6.4),
    ]


def _most(what: str, limit: float, figure: float | None, *, near: float | None = None) -> Goal:
    if figure is None:
        return Goal(what, f"≤ {limit:g}", None, None, why="not measured")
    milestone = f"(first milestone {near:g}: {'reached' if figure <= near else 'missed'})" if near else ""
    return Goal(what, f"≤ {limit:g}", rounded(figure, 2), figure <= limit, milestone if figure > limit else "")


def _of(sections: Sections, key: str, figure: Callable[[Row], float | None], **more: object) -> float | None:
    row = sections[key].row("h2", **more) if key in sections else None
    return None if row is None else figure(row)


def _turn(row: Row) -> float | None:
    value = row.more.get("turn_ratio")
    return value if isinstance(value, float) else None


def _flat(sections: Sections) -> float | None:
    few, many = (_of(sections, "streams", _at_its_pace, streams=size) for size in (64, 1000))
    return many / few if few and many else None


def _at_its_pace(row: Row) -> float | None:
    return row.median("steady_us") if kept(row) else None


def _workers(sections: Sections, count: int, least: float) -> Goal:
    what, goal = f"throughput, {count} workers × 1 worker", f"≥ {least:g}"
    row = sections["workers"].row("h2", workers=count, first=1) if "workers" in sections else None
    figure = row.ratio("rate") if row else None
    if row is None or figure is None:
        return Goal(what, goal, None, None, why="not measured")
    cores = row.more["cores"]
    if isinstance(cores, int) and not enough_cores(count, cores):
        return Goal(what, goal, rounded(figure, 2), None, why=f"not judged: {cores} cores are too few")
    return Goal(what, goal, rounded(figure, 2), figure >= least)
