"""Tables and plots of a study. It knows figures and their units; it must not know how they came about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loadtest.fleet.measures import Figures

# Heading, field and format of a column.
_COLUMNS = (
    ("requests", "requests", ".0f"),
    ("hit rate", "hit_rate", ".1%"),
    ("queue p99, s", "queue_p99", ".2f"),
    ("first token p50, s", "first_p50", ".3f"),
    ("p99, s", "first_p99", ".2f"),
    ("gap p50, ms", "gap_p50_ms", ".0f"),
    ("p99, ms", "gap_p99_ms", ".0f"),
    ("imbalance", "imbalance", ".2f"),
)
_SLOW = ("to slow ones", "slow_share", ".1%")
_FAULTS = (("sent again", "tried_again", ".0f"), ("lost", "lost", ".0f"), ("broken off", "broken", ".0f"))
_PLOTTED = ("hit_rate", "queue_p99", "first_p99", "imbalance")


def table(labels: Sequence[str], found: Sequence[Figures]) -> str:
    """In Markdown, aligned to be read in a terminal too. Columns that are all 0 are left out where they may be."""
    columns = list(_COLUMNS)
    if any(figures.slow_share for figures in found):
        columns.append(_SLOW)
    if any(figures.tried_again or figures.lost or figures.broken for figures in found):
        columns += _FAULTS
    rows = [["", *(heading for heading, _, _ in columns)]]
    rows += [
        [label, *(format(getattr(figures, name), form) for _, name, form in columns)]
        for label, figures in zip(labels, found, strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns) + 1)]
    lines = [f"| {' | '.join(map(_aligned, row, widths, range(len(row))))} |" for row in rows]
    ruler = f"|{'|'.join('-' * (width + 1) + (':' if column else '-') for column, width in enumerate(widths))}|"
    return "\n".join([lines[0], ruler, *lines[1:]])


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)


def plot(title: str, labels: Sequence[str], found: Sequence[Figures], path: Path) -> None:
    """Bars of the figures that decide. Needs matplotlib, of the ``bench`` extra."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.5 + 0.28 * len(labels)), layout="constrained")
    figure.suptitle(title)
    headings = {name: heading for heading, name, _ in _COLUMNS} | {"first_p99": "first token p99, s"}
    for number, (axes, name) in enumerate(zip(figure.subplots(1, len(_PLOTTED)), _PLOTTED, strict=True)):
        axes.barh(range(len(labels)), [getattr(figures, name) for figures in found])
        axes.set_yticks(range(len(labels)), labels if not number else [""] * len(labels))
        axes.invert_yaxis()
        axes.set_title(headings[name])
    figure.savefig(path, dpi=80, metadata={"Software": None})
