"""Environments of Python for programs that are not ours: made once, used again.

It knows venv and pip. It must not know what the programs are for. An environment counts only when its record is there,
which is written last: one that was interrupted is made anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Tell = Callable[[str], None]

_RECORD = "installed.json"
_INSTALL_SECONDS = 900.0
# Nothing here needs torch, and its usual build is several GB: what asks for it is refused instead.
_REFUSED = "torch<0\n"


class NotInstalled(Exception):
    """A program is not there; the text is the reason, in one line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What belongs in one environment: the arguments of ``pip install``, one call after the other."""

    name: str
    calls: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Environment:
    folder: Path

    def program(self, name: str) -> str:
        """A console script of it, or its ``python``."""
        return str(self.folder / "bin" / name)

    def version(self, distribution: str) -> str:
        """As installed; empty where it is not."""
        code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
        done = subprocess.run([self.program("python"), "-c", code], capture_output=True, text=True, check=False)
        return done.stdout.strip()


def prepare(root: Path, wanted: Wanted, tell: Tell, *, seconds: float = _INSTALL_SECONDS) -> Environment:
    """The environment ``root/NAME``, as it was left or made now."""
    folder, log = root / wanted.name, root / f"{wanted.name}.log"
    record = {"calls": [list(call) for call in wanted.calls], "python": platform.python_version()}
    if _recorded(folder) == record:
        return Environment(folder)
    if folder.exists():
        shutil.rmtree(folder)
    root.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    refused = root / "refused.txt"
    refused.write_text(_REFUSED, "utf-8")
    environment, deadline = Environment(folder), time.monotonic() + seconds
    # Our own pip installs into it: one of its own would take longer than many a peer.
    pip = [sys.executable, "-m", "pip", "--python", environment.program("python"), "install", "--no-input"]
    pip += ["--disable-pip-version-check", "--constraint", str(refused)]
    commands: list[list[str]] = [[sys.executable, "-m", "venv", "--without-pip", str(folder)]]
    commands += [[*pip, *call] for call in wanted.calls]
    for command in commands:
        _run(command, log, lambda line: tell(f"installing {wanted.name}: {line}"), deadline)
    (folder / _RECORD).write_text(json.dumps(record), "utf-8")
    return environment


def _recorded(folder: Path) -> object:
    try:
        return json.loads((folder / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _run(command: Sequence[str], log: Path, tell: Tell, deadline: float) -> None:
    """To its end, telling the last line of its log; it does not outlive us."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        code = None
        while code is None:
            if time.monotonic() > deadline:
                raise NotInstalled(f"not installed in time; its log is {log}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(0.5)
            tell(_last(log))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code:
        raise NotInstalled(f"{_first_error(log) or _last(log)}; its log is {log}")


def _first_error(log: Path) -> str:
    lines = (line.strip() for line in log.read_text("utf-8", "replace").splitlines())
    return next((line for line in lines if line.lower().startswith("error:")), "")


def _last(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
