"""Many answers as a few figures, as JSON and as a table. Pure: what is measured comes in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.ask import Seen


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one measure, in milliseconds; None where nothing was measured."""

    p50: float | None
    p99: float | None
    most: float | None

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Spread:
        ordered = sorted(seconds)
        return cls(*(_milliseconds(percentile(ordered, share)) for share in (0.5, 0.99, 1.0)))


@dataclass(frozen=True, slots=True)
class Summary:
    """What all clients saw together."""

    asked: int
    kinds: Mapping[str, int]
    seconds: float  # from the first send to the last end
    frames: int  # with text
    frames_per_second: float
    bytes: int
    ttft: Spread
    gap: Spread
    end: Spread

    def json(self) -> dict[str, Any]:
        return asdict(self)


def summarize(answers: Sequence[Seen]) -> Summary:
    """Times are those of answers that came to a good end."""
    good = [seen for seen in answers if seen.good]
    span = max((s.ended for s in answers), default=0.0) - min((s.sent for s in answers), default=0.0)
    frames = sum(seen.frames for seen in answers)
    return Summary(
        asked=len(answers),
        kinds=dict(Counter(seen.kind for seen in answers)),
        seconds=round(span, 3),
        frames=frames,
        frames_per_second=round(frames / span, 1) if span else 0.0,
        bytes=sum(seen.bytes for seen in answers),
        ttft=Spread.of(seen.ttft for seen in good if seen.ttft is not None),
        gap=Spread.of(gap for seen in good for gap in seen.gaps),
        end=Spread.of(seen.seconds for seen in good),
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest rank of sorted values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def quantiles(seconds: Iterable[float], steps: int = 200) -> list[float]:
    """A distribution as milliseconds at even shares, from the least to the most; empty where nothing was measured."""
    ordered = sorted(seconds)
    return [round(1000 * (percentile(ordered, n / steps) or 0.0), 3) for n in range(steps + 1)] if ordered else []


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of the same keys as a markdown table, its columns aligned."""
    if not rows:
        return ""
    heads = list(rows[0])
    cells = [heads, *([_cell(row[head]) for head in heads] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in cells]
    lines = [f"| {' | '.join(line)} |" for line in padded]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _cell(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return text.replace("|", "/").replace("\n", " ")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
