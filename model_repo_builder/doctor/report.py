"""Findings as text: a table for people, JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence

from model_repo_builder.doctor.finding import Finding, Severity

_LABEL = 10


def table(findings: Sequence[Finding], width: int = 100) -> str:
    """One block per finding: the severity and the model, then what, why and how."""
    blocks = [_block(finding, max(width, 40)) for finding in findings]
    return "\n\n".join([*blocks, _summary(findings)])


def as_json(findings: Sequence[Finding]) -> str:
    rows = [
        {
            "check": finding.check,
            "severity": finding.severity.value,
            "where": finding.where,
            "what": finding.what,
            "why": finding.why,
            "how": finding.how,
        }
        for finding in findings
    ]
    return json.dumps({"ok": not failed(findings), "findings": rows}, ensure_ascii=False, indent=1)


def failed(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _block(finding: Finding, width: int) -> str:
    lines = [f"{finding.severity.value.upper():<{_LABEL}}{finding.where}  [{finding.check}]"]
    for label in ("what", "why", "how"):
        lines += textwrap.wrap(
            getattr(finding, label),
            width,
            initial_indent=f"  {label:<{_LABEL - 2}}",
            subsequent_indent=" " * _LABEL,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    if not findings:
        return "Nothing found: every check passed."
    parts = (f"{counts[each]} {each.value}{'s' * (counts[each] != 1)}" for each in Severity if counts[each])
    return ", ".join(parts) + "."
