"""One tool of a build as a process: its output in a log file, and nothing of it left when it ends.

Knows processes, signals and log files. Must not know stages or TensorRT-LLM. The tool runs under ``guard``, which
ends it together with its workers, also when this process is killed.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from model_repo_builder.errors import BuildError

STOP_SECONDS = 10.0
_TAIL_BYTES = 16 << 10
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Tool:
    """A started program. Leaving the ``with`` block ends it."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int) -> None:
        self._process = process
        self._lifeline = lifeline

    @classmethod
    def start(
        cls, argv: Sequence[str], *, environment: Mapping[str, str], log: IO[bytes], keep: Sequence[int] = ()
    ) -> Tool:
        """``keep`` are descriptors that stay open until nothing of the tool is left, such as that of a lock."""
        prefix = f"qtg-{secrets.token_hex(6)}-"
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        guarded, lifeline = os.pipe()
        guard = str(Path(__file__).with_name("guard.py"))
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", guard, str(guarded), prefix, str(folder), "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                pass_fds=(guarded, *keep),
                start_new_session=True,  # Ctrl-C in a terminal reaches the builder alone, which then ends the tool
            )
        except BaseException:
            os.close(lifeline)
            folder.rmdir()
            raise
        finally:
            os.close(guarded)
        return cls(process, lifeline)

    def wait_for(self, seconds: float) -> int | None:
        """The exit code if the tool ends within that time, or None."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Asks the tool to end, and kills what is left of it after a while."""
        if self.wait_for(0) is None:
            self._process.terminate()
            self.wait_for(STOP_SECONDS)
        if self._lifeline >= 0:
            os.close(self._lifeline)  # the guard kills what still runs
            self._lifeline = -1
        self._process.wait()

    def __enter__(self) -> Tool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find(name: str, environment: Mapping[str, str], python: str) -> str:
    """A tool's program: as it is given, on PATH, or beside the Python interpreter that it belongs to."""
    if os.sep in name:
        return name
    found = shutil.which(name, path=environment.get("PATH")) or shutil.which(name, path=str(Path(python).parent))
    if found is None:
        raise BuildError(f"{name} is not on PATH: run the build in NVIDIA's container of this release, which has it")
    return found


def tail(log: Path, start: int = 0, lines: int = 20) -> str:
    """The last lines of a log from a place on, without terminal codes; a progress bar counts as its last state."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start, end - _TAIL_BYTES))
            data = file.read()
    except OSError:
        return ""
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in data.decode("utf-8", "replace").split("\n")]
    kept = [text for text in (_CONTROL.sub("", line).rstrip() for line in shown) if text]
    return "\n".join(kept[-lines:])
