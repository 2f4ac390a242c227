"""How far a run is, told to whoever waits: one line that changes on a terminal, elsewhere a line every few seconds.

It knows the stream it writes to. It must not know what runs.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

_SECONDS = 5.0  # between lines where they stay
_TERMINAL_SECONDS = 0.1


class Progress:
    """Leave the ``with`` block, or call ``clear``, before anything else is printed."""

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._clock = clock
        self._told = -_SECONDS
        self._shown = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def tell(self, text: str) -> None:
        """Shown if it is time: may be called as often as anything changes."""
        now = self._clock()
        if text == self._shown or now - self._told < (_TERMINAL_SECONDS if self._terminal else _SECONDS):
            return
        self._told, before = now, self._shown
        if self._terminal:
            text = text[: shutil.get_terminal_size().columns - 1]  # one that wraps could not be taken back
            self._stream.write("\r" + text + " " * (len(before) - len(text)))
        else:
            self._stream.write(text + "\n")
        self._shown = text
        self._stream.flush()

    def clear(self) -> None:
        if self._terminal and self._shown:
            self._stream.write("\r" + " " * len(self._shown) + "\r")
            self._stream.flush()
            self._shown = ""
