"""A command of ``loadtest`` that is interrupted: it says so, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def interrupted(
    module: str,
    arguments: Sequence[str],
    number: signal.Signals,
    folder: Path,
    *,
    begun: Callable[[str], bool],
    environment: Mapping[str, str] | None = None,
) -> None:
    """``begun``: whether all is running at that line of progress. What the command starts has ``folder`` in its command
    line."""
    command = [sys.executable, "-m", module, *arguments]
    run = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    for line in run.stderr:
        if begun(line):
            break
    assert _others(str(folder), module)
    run.send_signal(number)
    assert "everything was stopped" in run.communicate(timeout=60)[1]
    assert run.returncode == 130
    assert not _others(str(folder), module)


def _others(text: str, module: str) -> list[str]:
    """Command lines with that text of running processes, those of zombies being empty, but for the module's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return [command for command in found if text in command and f"-m {module} " not in command]
