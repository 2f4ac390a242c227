"""A row of the fault matrix, and the whole as markdown and JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtest.summary import table


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario. ``missed``: each goal that was not reached, as a sentence; none is a pass."""

    scenario: str
    asked: int = 0
    saw: Mapping[str, int] = field(default_factory=dict)  # what clients saw → how many of them
    lost: int = 0  # requests that ended badly although something could have served them
    leaked: int = 0  # generations that still run in an engine when nobody waits for any
    tokens_after: int | None = None  # the most that an engine made for a client that had left
    recovery_seconds: float | None = None  # from the fault (or its end, where nothing was left to serve) to all is well
    memory_before_mib: float = 0.0  # of the gateway's processes
    memory_after_mib: float = 0.0
    seconds: float = 0.0
    remarks: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def verdict(self) -> str:
        if self.skipped:
            return f"not run: {self.skipped}"
        return "; ".join(f"MISSED: {sentence}" for sentence in self.missed) or "ok"

    def row(self) -> Mapping[str, object]:
        """As people read it."""
        if self.skipped:
            return {head: "" for head in _HEADS} | {"scenario": self.scenario, "verdict": self.verdict}
        cells = (
            self.scenario,
            self.asked,
            ", ".join(f"{count} {kind}" for kind, count in sorted(self.saw.items())),
            self.lost,
            self.leaked,
            self.tokens_after,
            self.recovery_seconds,
            f"{self.memory_before_mib:.0f} → {self.memory_after_mib:.0f}",
            "; ".join(self.remarks),
            self.verdict,
        )
        return dict(zip(_HEADS, cells, strict=True))

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": not self.missed and not self.skipped}


_HEADS = (
    "scenario",
    "asked",
    "clients saw",
    "lost",
    "slots leaked",
    "tokens after leaving",
    "recovery s",
    "gateway MiB",
    "remarks",
    "verdict",
)


def markdown(results: Sequence[Result], *, machine: str, command: str) -> str:
    """The whole report."""
    failed = [result.scenario for result in results if result.missed]
    head = f"Missed: {', '.join(failed)}." if failed else "Every goal was reached."
    return f"# Fault matrix\n\n{head}\n\n{machine}\n`{command}`\n\n{table([result.row() for result in results])}\n"
