"""What a build is made of: stages, their commands, and what proves that a stage is finished.

Values only. ``plan`` makes them, ``build`` carries them out, ``plan`` the command prints them. Must not know any flag
of any tool, nor touch a file.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_repo_builder.memory import Estimate
    from model_repo_builder.recipe import Recipe
    from model_repo_builder.release import Release

#: As the first word of a command: the Python interpreter in which tensorrt_llm is installed.
PYTHON = "python3"
#: As the first word of a command: this program itself.
OURSELVES = "model-repo-builder"


@dataclass(frozen=True, slots=True)
class Command:
    """One program to run. ``reasons`` says why a flag is there, by the flag as it stands in ``argv``."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    reasons: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def line(self) -> str:
        """As one would type it in a shell."""
        return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in self.env.items()), shlex.join(self.argv)])


@dataclass(frozen=True, slots=True)
class Written:
    """A small text file that a stage needs before its commands run. Its folder is made if it is missing."""

    path: Path
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """After the commands: keys of a JSON file that must hold these values, since the release gets them wrong.

    Keys are dotted for nested objects. Where a value differs, or is missing, it is written; the rest stays.
    """

    path: Path
    values: Mapping[str, object]
    reason: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a build. It is finished when every file of ``writes`` exists and the runner has recorded its end."""

    name: str  # also the name of its log file: lower case, dashes
    commands: tuple[Command, ...]
    reads: tuple[Path, ...]  # files or folders that must exist before it begins
    writes: tuple[Path, ...]  # files that prove it finished
    output: Path  # the one folder that it fills: removed before a half-finished stage begins again
    reason: str
    files: tuple[Written, ...] = ()  # before the commands
    fixes: tuple[Fix, ...] = ()  # after the commands
    needs_gpu: bool = False
    disk_bytes: int = 0  # estimate of what it writes


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """A whole build: from a checkpoint to a model repository."""

    recipe: Recipe
    release: Release
    stages: tuple[Stage, ...]
    engine_dir: Path
    repository: Path
    estimate: Estimate
    notes: tuple[str, ...] = ()  # what the user should know before it runs, one sentence each
