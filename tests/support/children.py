"""Children that do not outlive the tests, even if those are killed."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """For ``preexec_fn``: the kernel ends the child when its parent is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
