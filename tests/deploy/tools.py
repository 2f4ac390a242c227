"""The programs that read deploy/, and the folders they read. It must not know what they check."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.absent import absent

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / "build" / "deploy-tools" / "bin"


def tool(name: str) -> str:
    """A program of deploy/tools.txt."""
    path = TOOLS / name
    if not path.exists():
        absent(f"{name} is not in build/deploy-tools: make deploy-tools")
    return str(path)


def system_program(name: str, package: str) -> str:
    """A program of the system."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        absent(f"{name} is not installed: apt-get install {package}")
    return str(found)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """To its end, with no environment but what is given."""
    surroundings = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(environment or {})}
    return subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=60, check=False)
