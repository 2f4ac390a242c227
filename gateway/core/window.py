"""A limit over the last minute, as a sliding window of two counters sees it. Pure arithmetic on counts and seconds.

The counter of the minute before weighs as much as is left of it in the last 60 seconds; the current one weighs whole.
It must not know who counts, nor where.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS = 60
LONGEST_WAIT = 60  # seconds; SDKs do not obey more


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted. ``previous_seconds``: until the older count weighs nothing; ``current_seconds``: until the
    newer one does, which is more than a minute where it still grows."""

    limit: int
    previous: int
    previous_seconds: float
    current: int
    current_seconds: float

    @property
    def used(self) -> float:
        """What counts now."""
        return self.previous * self.previous_seconds / SECONDS + self.current

    @property
    def remaining(self) -> int:
        """What may still be taken now."""
        return max(0, min(self.limit, self.limit - math.floor(self.used)))

    @property
    def reset_seconds(self) -> float:
        """Until all may be taken again, if nobody takes any."""
        if self.current > 0:
            return self.current_seconds
        return self.previous_seconds if self.previous > 0 else 0.0

    def retry_after(self, cost: int) -> int | None:
        """Whole seconds, 1 to 60, until ``cost`` may be taken; None where it is above the limit, so never."""
        left = self.limit - cost
        if left < 0:
            return None
        if self.used <= left:
            wait = 0.0
        elif self.current <= left:
            wait = self.previous_seconds - SECONDS * (left - self.current) / self.previous
        else:
            wait = self.current_seconds - SECONDS * left / self.current
        return max(1, min(LONGEST_WAIT, math.ceil(wait)))


def duration(seconds: float) -> str:
    """As OpenAI writes one: ``350ms``, ``17.2s``, ``1m30s``."""
    if seconds < 1:
        return f"{round(1000 * max(0.0, seconds))}ms"
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:g}s"
