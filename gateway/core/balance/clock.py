"""Time that never runs backward, from a clock that may.

It knows that only differences matter: a step back counts as no time at all, and time goes on from there.
"""

from __future__ import annotations


class Elapsed:
    """Seconds since the first call, by the forward steps of ``now``."""

    __slots__ = ("_last", "total")

    def __init__(self) -> None:
        self._last: float | None = None
        self.total = 0.0

    def at(self, now: float) -> float:
        last = self._last
        if last is not None and now > last:
            self.total += now - last
        if last != now:
            self._last = now
        return self.total
