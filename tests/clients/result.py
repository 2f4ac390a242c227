"""What each client could do, as a table for people and as JSON. Pure: it knows columns, not clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.summary import table

COLUMNS: Mapping[str, str] = {
    "plain": "an answer that comes whole",
    "streaming": "an answer that comes piece by piece, while the engine still writes it",
    "tools": "a tool that is really called, and whose result is in the answer",
    "structured": "an answer that has the form of a schema, whatever the model would rather say",
    "errors": "a wrong key and an unknown model are errors that the client understands",
    "cancel": "who leaves in mid-stream ends the engine's work",
}
WORKS, FAILS, LACKS = "✓", "✗", "–"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a column. ``wrong``: what went wrong, as long as it may be; None is a pass."""

    column: str
    name: str
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One client. ``not_tried``: why nothing was tried; then the rest is empty."""

    client: str
    version: str = ""
    checks: tuple[Check, ...] = ()
    not_tried: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return any(check.wrong is not None for check in self.checks)

    def cell(self, column: str) -> str:
        """A column without checks is something that the client does not have."""
        wrongs = [check.wrong for check in self.checks if check.column == column]
        if not wrongs:
            return LACKS
        return WORKS if all(wrong is None for wrong in wrongs) else FAILS

    def row(self) -> Mapping[str, object]:
        cells = {column: "" if self.not_tried else self.cell(column) for column in COLUMNS}
        return {"client": self.client, "version": "not tried" if self.not_tried else self.version, **cells}

    def remarks(self) -> list[str]:
        """A line for everything that is no success."""
        if self.not_tried:
            return [f"{self.client} was not tried: {self.not_tried}"]
        lines: dict[str, list[str]] = {}  # the same reason in several columns is one line
        for check in self.checks:
            if check.wrong is not None:
                lines.setdefault(f"({check.name}): {reason(check.wrong)}", []).append(check.column)
        return [f"{self.client}, {', '.join(columns)} {line}" for line, columns in lines.items()]

    def json(self) -> dict[str, Any]:
        cells = {} if self.not_tried else {column: self.cell(column) for column in COLUMNS}
        return asdict(self) | {"failed": self.failed, "cells": cells}


def reason(wrong: str, most: int = 300) -> str:
    """The line of a traceback that says what happened: the last one that is not indented."""
    lines = [line for line in wrong.splitlines() if line.strip()]
    outer = [line for line in lines if not line.startswith((" ", "\t"))]
    said = (outer or lines or ["no reason was given"])[-1].strip()
    return said if len(said) <= most else said[: most - 1] + "…"


def verdict(results: Sequence[Result]) -> str:
    """One sentence on all of them."""
    tried = [result for result in results if not result.not_tried]
    failed = [result.client for result in tried if result.failed]
    if not tried:
        return "Nothing was tried."
    if failed:
        return f"{len(failed)} of {len(tried)} clients failed: {', '.join(failed)}."
    return f"Every client that was tried works ({len(tried)})."


def exit_code(results: Sequence[Result]) -> int:
    """1 where something failed, or nothing was tried."""
    return int(any(result.failed for result in results) or all(result.not_tried for result in results))


def markdown(results: Sequence[Result], *, command: str) -> str:
    """The whole report."""
    parts = [verdict(results), table([result.row() for result in results])]
    remarks = [f"- {line}" for result in results for line in result.remarks()]
    if remarks:
        parts.append("\n".join(remarks))
    parts.append("\n".join(f"- {column}: {meaning}" for column, meaning in COLUMNS.items()))
    return "\n\n".join(["# Clients", f"`{command}`", *parts]) + "\n"
