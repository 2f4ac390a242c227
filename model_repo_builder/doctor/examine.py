"""All checks on one subject, the worst findings first."""

from __future__ import annotations

from model_repo_builder.doctor import (
    engine_folder,
    layout,
    llmapi_model,
    machine,
    streaming,
    tokenizer,
    values,
    versions,
    wiring,
)
from model_repo_builder.doctor.finding import Finding, Severity
from model_repo_builder.doctor.subject import Subject

CHECKS = (
    *layout.CHECKS,
    *wiring.CHECKS,
    *engine_folder.CHECKS,
    *versions.CHECKS,
    *tokenizer.CHECKS,
    *values.CHECKS,
    *streaming.CHECKS,
    *llmapi_model.CHECKS,
    *machine.CHECKS,
)
_ORDER = tuple(Severity)


def examine(subject: Subject) -> tuple[Finding, ...]:
    found = [finding for check in CHECKS for finding in check(subject)]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))
