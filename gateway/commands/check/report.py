"""Verdicts for people and for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gateway.commands.check.verdict import Check, State, Verdict

WORDS = {State.OK: "ok", State.MISSED: "MISSED", State.NOT_APPLICABLE: "n/a"}
COLOURS = {State.OK: "\x1b[32m", State.MISSED: "\x1b[31m", State.NOT_APPLICABLE: "\x1b[2m"}
PLAIN = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Score:
    """What does not apply counts neither way."""

    ok: int
    missed: int
    not_applicable: int

    @property
    def percent(self) -> float | None:
        """In tenths, never rounded up to 100; None where nothing applied."""
        judged = self.ok + self.missed
        return self.ok * 1000 // judged / 10 if judged else None

    @property
    def perfect(self) -> bool:
        return self.ok > 0 and not self.missed


def score(verdicts: Sequence[Verdict]) -> Score:
    states = [verdict.state for verdict in verdicts]
    return Score(states.count(State.OK), states.count(State.MISSED), states.count(State.NOT_APPLICABLE))


def table(verdicts: Sequence[Verdict], *, colours: bool) -> Iterator[str]:
    """Lines, by topic. What was missed says what was expected, what came, and who relies on it."""
    width = max((len(verdict.check.name) for verdict in verdicts), default=0)
    for topic, group in groupby(verdicts, lambda verdict: verdict.check.topic):
        own = list(group)
        counted = score(own)
        yield f"{topic}: {counted.ok} of {counted.ok + counted.missed}"
        for verdict in own:
            word = f"{WORDS[verdict.state]:6}"
            word = f"{COLOURS[verdict.state]}{word}{PLAIN}" if colours else word
            yield f"  {word}  {verdict.check.name:{width}}  {verdict.reason}".rstrip()
            if verdict.state is State.MISSED:
                yield f"            expected  {verdict.expected}"
                yield f"            got       {verdict.got}"
                yield f"            why       {verdict.check.why}"
        yield ""
    yield summary(score(verdicts))


def summary(total: Score) -> str:
    counts = f"{total.ok} ok, {total.missed} missed, {total.not_applicable} not applicable"
    return f"Score: {'none' if total.percent is None else f'{total.percent:g} %'} ({counts})"


def listing(checks: Sequence[Check]) -> Iterator[str]:
    """Every check and why it is one."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.name:{width}}  {check.why}"


def document(url: str, model: str, verdicts: Sequence[Verdict]) -> str:
    """As JSON."""
    total = score(verdicts)
    rows: list[dict[str, Any]] = [
        {
            "name": verdict.check.name,
            "topic": verdict.check.topic,
            "state": verdict.state.value,
            "why": verdict.check.why,
            "expected": verdict.expected or None,
            "got": verdict.got or None,
            "reason": verdict.reason or None,
            "seconds": round(verdict.seconds, 3),
        }
        for verdict in verdicts
    ]
    counts = {"ok": total.ok, "missed": total.missed, "not_applicable": total.not_applicable, "percent": total.percent}
    return (
        json.dumps({"url": url, "model": model, "score": counts, "checks": rows}, ensure_ascii=False, indent=2) + "\n"
    )
