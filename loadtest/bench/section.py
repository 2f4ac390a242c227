"""Figures of many runs as rows of a table. Pure: what was measured comes in.

It knows medians, ratios and differences within one run. It must not know how anything was measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtest.bench.figures import Figures
from loadtest.summary import table

STAND_IN = "stand-in"
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Row:
    """One front end under one load. ``floor``: the emitter's runs beside these, run by run; ``in_front_of``: what made
    the tokens."""

    name: str
    in_front_of: str
    runs: Sequence[Figures]
    floor: Sequence[Figures] = ()
    more: Mapping[str, object] = field(default_factory=dict)

    def median(self, what: str) -> float | None:
        return _median([getattr(run, what) for run in self.runs])

    def ratio(self, what: str) -> float | None:
        """To the emitter, each run to the run beside it: machines drift."""
        pairs = self._pairs(what)
        return _median([ours / floor if floor else None for ours, floor in pairs])

    def added(self, what: str) -> float | None:
        """Over the emitter."""
        return _median([ours - floor for ours, floor in self._pairs(what)])

    def _pairs(self, what: str) -> list[tuple[float, float]]:
        both = [(getattr(a, what), getattr(b, what)) for a, b in zip(self.runs, self.floor, strict=False)]
        return [(a, b) for a, b in both if a is not None and b is not None]

    @property
    def stream_kb(self) -> float | None:
        """Memory for each stream, against the gateway before the run; None where they were never all there at once."""
        streams = self.more.get("streams")
        if not isinstance(streams, int):
            return None
        return _median([(r.rss_most - r.rss_before) / streams / 1000 if r.steady_frames else None for r in self.runs])


Column = tuple[str, Callable[[Row], object]]


@dataclass(frozen=True, slots=True)
class Section:
    """One table. ``skipped``: what is missing from it, and why."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    skipped: Sequence[str] = ()

    def row(self, name: str, **more: object) -> Row | None:
        found = (r for r in self.rows if r.name == name and all(r.more.get(k) == v for k, v in more.items()))
        return next(found, None)

    def text(self) -> str:
        lines = [f"## {self.title}", ""]
        if self.rows:
            lines += [table([{head: cell(row) for head, cell in self.columns} for row in self.rows]), ""]
        lines += [f"Not measured: {words}" for words in self.skipped]
        lines += self.notes
        return "\n".join(lines).rstrip() + "\n"

    def json(self) -> dict[str, Any]:
        rows = [
            {
                "name": row.name,
                "in_front_of": row.in_front_of,
                **row.more,
                "shown": {head: cell(row) for head, cell in self.columns},
                "runs": [asdict(run) for run in row.runs],
            }
            for row in self.rows
        ]
        return {"title": self.title, "rows": rows, "skipped": list(self.skipped), "notes": list(self.notes)}


def rounded(value: float | None, digits: int) -> str | None:
    """As text, so that every column keeps its own precision; None is a dash in the table."""
    return None if value is None else f"{value:.{digits}f}"


def pair(one: float | None, other: float | None, digits: int = 1) -> str | None:
    return None if one is None or other is None else f"{one:.{digits}f} / {other:.{digits}f}"


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
