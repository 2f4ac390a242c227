"""The mood of one scripted server: what is wrong with all its requests, until it is said to be well again.

A script says what one request does wherever it runs; a mood says what one server does to whatever it runs, which is
what fail-over is about. It is a small JSON file that the driver replaces and the engine looks at before each token.
It knows the form of the file. It must not know Triton.
"""

import contextlib
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Mood:
    """Well, unless something is set."""

    fail: bool = False
    """Every request ends with an error, those that run too."""
    hang: bool = False
    """No token comes until this is taken back."""
    slower: float = 1.0
    """Delays of scripts take so many times as long."""


class Control:
    """Reads the file, seldom more than it changes; many threads share one. Without a path all is well."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._mood = Mood()
        self._stamp = 0
        self._next = 0.0
        self._lock = threading.Lock()

    def mood(self) -> Mood:
        if self._path and time.monotonic() >= self._next:
            with self._lock:
                self._look()
        return self._mood

    def _look(self) -> None:
        self._next = time.monotonic() + _LOOK_SECONDS
        with contextlib.suppress(OSError, ValueError, TypeError):
            status = os.stat(self._path)
            if (stamp := hash((status.st_mtime_ns, status.st_ino))) != self._stamp:
                with open(self._path, encoding="utf-8") as file:
                    self._mood = Mood(**json.load(file))
                self._stamp = stamp


def set_mood(path: Path, mood: Mood) -> None:
    """Whole or not at all, as the engine may read at any moment."""
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(asdict(mood)), encoding="utf-8")
    whole.replace(path)
