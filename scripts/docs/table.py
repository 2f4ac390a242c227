"""Markdown as the reference writes it. It knows cells and rows; it must not know what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, each row on a line of its own."""
    lines = [_line(head), _line(["---"] * len(head))]
    return "\n".join([*lines, *(_line([cell(each) for each in row]) for row in rows)]) + "\n"


def cell(text: str) -> str:
    """Text that ends no cell and no row."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
