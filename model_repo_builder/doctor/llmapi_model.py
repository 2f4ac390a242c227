"""Checks of an llmapi repository: its ``model.yaml``, and what must stand in ``config.pbtxt`` as well."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model_repo_builder.doctor.finding import Finding, error, warning
from model_repo_builder.doctor.subject import ENGINE, Subject
from model_repo_builder.llmapi import MODEL_YAML

_DECOUPLED = re.compile(r"^\s+decoupled\s*:\s*(true|false)\b", re.MULTILINE | re.IGNORECASE)


def model_yaml(subject: Subject) -> Iterator[Finding]:
    config = subject.model(ENGINE)
    if subject.folder is None or config is None or not subject.llmapi:
        return
    path = subject.folder / ENGINE / "1" / MODEL_YAML
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        yield error(
            "model-yaml",
            ENGINE,
            f"{ENGINE}/1/{MODEL_YAML} cannot be read",
            "the model reads from it which checkpoint to load",
            "write it, or make the repository with `model-repo-builder migrate`",
        )
        return
    match = _DECOUPLED.search(text)
    if match is not None and (match[1].lower() == "true") != config.decoupled:
        yield warning(
            "model-yaml-decoupled",
            ENGINE,
            f"decoupled is {match[1].lower()} in {MODEL_YAML}, and {str(config.decoupled).lower()} in config.pbtxt",
            "what stands in model.yaml counts only where Triton completes configurations by itself, and NVIDIA's "
            "launcher turns that off",
            "set model_transaction_policy.decoupled in config.pbtxt to the same value",
        )


CHECKS = (model_yaml,)
