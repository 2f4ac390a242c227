"""What a check reports: one row of the doctor's table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """An error keeps the server from starting or from answering right; a warning costs; a note is for knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """``where`` is the model, or what else it is about. ``check`` names the kind of finding and never changes."""

    check: str
    severity: Severity
    where: str
    what: str
    why: str
    how: str


def error(check: str, where: str, what: str, why: str, how: str) -> Finding:
    return Finding(check, Severity.ERROR, where, what, why, how)


def warning(check: str, where: str, what: str, why: str, how: str) -> Finding:
    return Finding(check, Severity.WARNING, where, what, why, how)


def note(check: str, where: str, what: str, why: str, how: str) -> Finding:
    return Finding(check, Severity.NOTE, where, what, why, how)
