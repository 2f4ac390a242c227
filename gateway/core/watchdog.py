"""Whether an engine that calls itself ready does anything: requests run, and none of them gets a token.

It knows when requests began and when any of them moved, by a clock that is passed in. It must not know what requests
are, nor what follows from a stall.

Silence is counted from the last token of any request, or from when the engine last had nothing to do. A long prefill is
silent too, so the allowance must be longer than the longest. Where nothing runs there is no silence, and nothing to
see progress by: a stall is then believed for ``belief_seconds`` longer, after which a request may try.
"""

from __future__ import annotations


class Watchdog:
    """Watches one engine. ``now`` is in seconds and never goes back."""

    def __init__(self, silence_seconds: float, *, belief_seconds: float = 30.0, asleep_seconds: float = 30.0) -> None:
        """``silence_seconds`` 0: never stalled. ``asleep_seconds``: more than ever passes between two looks, unless it
        is we who slept (a stopped process, a suspended machine): that time is no silence of the engine's."""
        self._silence = silence_seconds
        self._belief = belief_seconds
        self._asleep = asleep_seconds
        self._running = 0
        self._since = 0.0  # the last sign of life while requests run
        self._looked: float | None = None
        self._stalled_at: float | None = None  # when a stall was last seen

    @property
    def running(self) -> int:
        return self._running

    def started(self, now: float) -> None:
        """A request was sent."""
        if self._running == 0:
            self._since = self._looked = now
        self._running += 1

    def progress(self, now: float) -> None:
        """A request got a token."""
        self._since = now
        self._stalled_at = None

    def ended(self, now: float, *, well: bool = False) -> None:
        """A request is over. ``well``: the engine said so itself, which is progress; a cancel of ours is none."""
        self._running = max(0, self._running - 1)
        if well:
            self.progress(now)

    def restarted(self, now: float) -> None:
        """The engine went away and came back: what was believed of it is of no use."""
        self.progress(now)

    def silent_seconds(self, now: float) -> float | None:
        """How long nothing moved; None where nothing runs."""
        return max(0.0, now - self._since) if self._running else None

    def stalled(self, now: float) -> bool:
        """Whether the engine is stuck. To be asked often."""
        if self._silence <= 0:
            return False
        if self._looked is not None and now - self._looked > self._asleep:
            self._since += now - self._looked
        self._looked = now
        silent = self.silent_seconds(now)
        if silent is not None and silent >= self._silence:
            self._stalled_at = now
        elif self._running == 0 and self._stalled_at is not None and now - self._stalled_at >= self._belief:
            self._stalled_at = None
        return self._stalled_at is not None
