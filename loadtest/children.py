"""Starting a process that ends with this one, without losing a signal that comes meanwhile.

It knows sessions, signals and how a child learns that its parent is gone. It must not know what is started.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, Any

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def start(
    command: Sequence[str],
    *,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    environment: Mapping[str, str] | None = None,
    text: bool = False,
) -> subprocess.Popen[Any]:
    """``command`` in a session of its own, with nothing to read. SIGTERM comes to it when this process is gone.

    The signals that end this process wait until the child runs: fork calls hooks (logging has some), and what a
    handler raises in a hook Python prints and throws away.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            text=text,
            preexec_fn=_in_the_child,
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with_parent() -> None:
    """For ``preexec_fn``: the kernel ends the child when its parent is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _in_the_child() -> None:
    die_with_parent()
    for number in _ENDING:  # before they are let in: handlers of the parent must not run here
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
