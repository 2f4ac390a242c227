"""Processes in which a package of a certain version talks to a gateway. It knows where versions lie, and no package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.absent import absent

ROOT = Path(__file__).parents[2]
OPENAI_1 = Path(sys.prefix) / "openai-1"


def openai_of(version: str) -> Path | None:
    """What must stand first on the path: the folder with the old version, or nothing for the current one."""
    if version == "current":
        return None
    if not (OPENAI_1 / "openai").is_dir():
        absent(f"openai 1.x is not in {OPENAI_1}: make setup")
    return OPENAI_1


def checked(module: str, url: str, dead: str, first: Path | None) -> dict[str, str | None]:
    """What went wrong in each check of a module, by name (None: nothing), and under ``version`` whose it was."""
    ended = subprocess.run(
        [sys.executable, "-m", module, url, dead],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(each) for each in (first, ROOT) if each)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    version, *lines = map(json.loads, ended.stdout.splitlines())
    return {"version": version["version"], **{line["name"]: line["wrong"] for line in lines}}
