"""Compose files as ``docker compose`` understands them: rendered, or refused. It needs the program, not an engine."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.deploy.tools import DEPLOY, run, tool

FOLDER = DEPLOY / "compose"
# Whole deployments, by their files. The last two are laid over others.
ALONE = ("cpu", "one-gpu", "tensor-parallel", "several-tritons", "leader", "orchestrator", "llmapi")
OVER = ("proxy", "monitoring")
EVERYWHERE = {
    "GATEWAY_IMAGE": "qwen-triton-gateway:0.1.0",
    "TRITON_IMAGE": "qwen-triton:24.06",
    "MODEL_PATH": "/srv/models",
    "REPOSITORY": "build/repository",
    "TOKENIZER": "Qwen1.5-14B-Chat",
    "MAX_MODEL_LEN": "8192",
    "KEYS_FILE": "/srv/keys.toml",
}
BESIDES = {
    "tensor-parallel": {"GPUS": "2"},
    "orchestrator": {"GPUS": "2"},
    "llmapi": {"GPUS": "2"},
    "leader": {"DEVICES": "0,1;2,3"},
    "monitoring": {"GRAFANA_PASSWORD": "a secret"},
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """One of: what compose made of the files, or what it said against them."""

    project: dict[str, Any]
    error: str


def needed(*names: str) -> dict[str, str]:
    """What must be set for these files."""
    return EVERYWHERE | {key: value for name in names for key, value in BESIDES.get(name, {}).items()}


def render(names: Sequence[str], environment: Mapping[str, str]) -> Rendered:
    files = [word for name in names for word in ("-f", str(FOLDER / f"{name}.yaml"))]
    command = [
        tool("docker-compose"),
        "--env-file",
        "/dev/null",
        *files,
        "--profile",
        "*",
        "config",
        "--format",
        "json",
    ]
    done = run(command, environment)
    return Rendered(json.loads(done.stdout) if done.returncode == 0 else {}, done.stderr)


@functools.cache
def rendered(*names: str) -> dict[str, Any]:
    """With all that is needed, once for each session. An error is a failure of the test."""
    result = render(names, needed(*names))
    assert result.project, result.error
    return result.project


def seconds(duration: str) -> int:
    """Of a duration as compose writes it, such as 1m30s or 20m0s."""
    total, number = 0, ""
    for letter in duration:
        if letter.isdigit():
            number += letter
        else:
            total, number = total + int(number) * {"h": 3600, "m": 60, "s": 1}[letter], ""
    return total
