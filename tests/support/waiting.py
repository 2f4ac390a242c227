"""Waiting for what cannot tell: the state of another process. It knows a question and a deadline, nothing else."""

import threading
import time
from collections.abc import Callable

PATIENCE_SECONDS = 30  # for what is expected to happen soon
_PAUSE_SECONDS = 0.05


def wait_for(look: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns once ``look`` is true; an AssertionError that names ``what`` where that does not happen in time."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        threading.Event().wait(_PAUSE_SECONDS)


def until(look: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """The same, where the question says what it waits for."""
    wait_for(look, seconds, "what the line above asks for")
