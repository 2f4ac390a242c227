"""The plots of a bench. It knows which figures of which section are drawn. It must not measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from loadtest.bench.place import EMITTER
from loadtest.bench.section import Row, Section
from loadtest.plots import distributions, lines

_MS = "milliseconds"


def draw(sections: Mapping[str, Section], folder: Path) -> list[Path]:
    """All that can be drawn of what was measured."""
    drawn: list[Path] = []
    for key in ("paced", "staggered", "steps", "routes"):
        if key in sections:
            for what, words in (("ttft", "time to the first token"), ("gap", "time between tokens")):
                steps = {_name(row): getattr(row.runs[-1], what).steps for row in sections[key].rows}
                path = folder / f"{key}-{what}.png"
                distributions(path, f"{sections[key].title}: {words}", {n: s for n, s in steps.items() if s}, _MS)
                drawn.append(path)
    if "streams" in sections:
        rows = sections["streams"].rows
        path = folder / "streams-cpu.png"
        series = {name: _over(rows, name, "streams", lambda row: row.median("steady_us")) for name in (EMITTER, "h2")}
        lines(path, "CPU of a token while streaming", series, "streams", "µs", log=True)
        drawn.append(path)
        path = folder / "streams-memory.png"
        memory = {"h2": _over(rows, "h2", "streams", lambda row: row.stream_kb)}
        lines(path, "Memory of a stream, against the idle gateway", memory, "streams", "kB", log=True)
        drawn.append(path)
    if "workers" in sections:
        rows = sections["workers"].rows
        path = folder / "workers.png"
        lines(path, sections["workers"].title, {"h2": _over(rows, "h2", "workers", _rate)}, "workers", "tokens/s")
        drawn.append(path)
    return drawn


def _name(row: Row) -> str:
    return f"{row.name}, in front of {row.in_front_of}"


def _rate(row: Row) -> float | None:
    return row.median("rate")


def _over(
    rows: Sequence[Row], name: str, what: str, figure: Callable[[Row], float | None]
) -> list[tuple[float, float]]:
    points = []
    for row in rows:
        x, y = row.more.get(what), figure(row)
        if row.name == name and isinstance(x, int) and y is not None:
            points.append((float(x), y))
    return points
