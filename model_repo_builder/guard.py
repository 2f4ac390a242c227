"""Runs one server and never outlives its starter: ``python guard.py FD SHM_PREFIX FOLDER -- COMMAND``.

A small process between the launcher and tritonserver (or mpirun). FD is the read end of a pipe that the launcher
holds: when it closes, for whatever reason, even SIGKILL, the server and all its helper processes are killed. However
the run ends, the guard removes the shared memory with the prefix, the private folder and, where no other server runs,
the folders that killed ones left in /tmp. It passes SIGTERM on once, to tritonserver itself where mpirun runs it; a
second one kills. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

SHARED_MEMORY = Path("/dev/shm")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main(arguments: list[str]) -> int:
    pipe, prefix, folder = int(arguments[0]), arguments[1], Path(arguments[2])
    command = arguments[arguments.index("--") + 1 :]
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, _noted)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # the server's helpers become ours when it dies

    def tied() -> None:
        os.setpgid(0, 0)  # of its own group, so that one call ends it together with its helpers
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    try:
        # There is one thread here, so running Python between fork and exec is safe.
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=tied)
    except OSError as error:
        print(f"error: {command[0]} cannot be started: {error.strerror}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        return 127
    try:
        return _watch(server, pipe, wake)
    finally:
        _kill(server.pid)
        server.wait()
        _kill_orphans()
        for leftover in SHARED_MEMORY.glob(f"{prefix}*"):
            leftover.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        remove_environments(Path("/tmp"), lambda: any(map(_is_tritonserver, _parents())))


def remove_environments(place: Path, is_one_running: Callable[[], bool]) -> None:
    """What servers that were killed left: their Python backend makes an empty folder, whose place nobody can choose.

    Which belongs to whom cannot be told, so nothing is removed while any server runs on this machine. A server that
    starts now has its folder after we looked.
    """
    found = list(place.glob("python_env_??????"))
    if not is_one_running():
        for folder in found:
            with contextlib.suppress(OSError):  # somebody else's, or not empty
                folder.rmdir()


def _watch(server: subprocess.Popen[bytes], pipe: int, wake: int) -> int:
    asked = False
    while True:
        readable, _, _ = select.select([pipe, wake], [], [])
        if wake in readable:
            for number in os.read(wake, 64):
                if number in (signal.SIGTERM, signal.SIGINT):
                    if asked:
                        _kill(server.pid)
                    else:
                        _ask(server)
                    asked = True
        code = server.poll()
        if code is not None:
            return code if code >= 0 else 128 - code
        if pipe in readable:
            return 128 + signal.SIGKILL  # the launcher is gone


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _ask(server: subprocess.Popen[bytes]) -> None:
    """An mpirun that is asked itself waits out its own timeouts, and then ends in an error."""
    parents = _parents()
    ranks = [pid for pid in parents if _is_tritonserver(pid) and server.pid in _ancestors(pid, parents)]
    for rank in ranks:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rank, signal.SIGTERM)
    if not ranks:
        server.send_signal(signal.SIGTERM)


def _ancestors(process: int, parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while process in parents and parents[process] not in found:
        process = parents[process]
        found.add(process)
    return found


def _is_tritonserver(process: int) -> bool:
    """By its name: the program, or the script that an interpreter runs."""
    try:
        words = Path("/proc", str(process), "cmdline").read_bytes().split(b"\0")[:2]
    except OSError:
        return False
    return any(os.path.basename(word) == b"tritonserver" for word in words)


def _kill_orphans() -> None:
    """What the server started in groups of its own, as mpirun does, is this process's child by now."""
    while True:
        for child, parent in _parents().items():
            if parent == os.getpid():
                os.kill(child, signal.SIGKILL)  # a child cannot be another process yet: it was not waited for
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _parents() -> dict[int, int]:
    """Of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        # After the name in parentheses, which may hold anything: the state, then the parent.
        with contextlib.suppress(OSError, ValueError, IndexError):  # no process, or one that has just ended
            found[int(entry.name)] = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return found


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up pipe carries the number; a handler has to exist for that."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
