"""Plots of measurements as PNG, with matplotlib: distributions, and one figure over another.

It knows how to draw. It must not know what is drawn. Without matplotlib nothing is drawn, and everything else works.
"""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HOW = "no plots: matplotlib is not installed (pip install 'qwen-triton-gateway[bench]')"
_SIZE = (8.0, 4.5)  # inches
_DPI = 120
_TITLE_COLUMNS = 100

Points = Sequence[tuple[float, float]]


def can_draw() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def distributions(path: Path, title: str, steps: Mapping[str, Sequence[float]], label: str) -> None:
    """Share of values that are at most so many milliseconds. ``steps``: values at even shares, from least to most."""
    figure, axes = _begin(title, label, "share of all")
    for name, values in steps.items():
        shares = [n / max(1, len(values) - 1) for n in range(len(values))]
        axes.step(values, shares, where="post", label=name)
    axes.set_ylim(0, 1.01)
    if min((v for values in steps.values() for v in values), default=0) > 0:
        from matplotlib.ticker import LogLocator, StrMethodFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    _end(figure, axes, path)


def lines(path: Path, title: str, series: Mapping[str, Points], x: str, y: str, *, log: bool = False) -> None:
    """One line for each name. ``log``: of the x axis."""
    figure, axes = _begin(title, x, y)
    for name, points in series.items():
        axes.plot([point[0] for point in points], [point[1] for point in points], marker="o", label=name)
    if log:
        axes.set_xscale("log")
        ticks = sorted({point[0] for points in series.values() for point in points})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_ylim(bottom=0)
    _end(figure, axes, path)


def _begin(title: str, x: str, y: str) -> tuple[Any, Any]:
    # Not pyplot: it keeps every figure, and looks for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(textwrap.fill(title, _TITLE_COLUMNS), fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _end(figure: Any, axes: Any, path: Path) -> None:
    axes.minorticks_off()
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
