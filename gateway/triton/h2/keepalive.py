"""When to ask a silent server for a sign of life, counted in ticks. It knows no clock and no connection.

Servers of gRPC end a connection whose client pings too often while they have nothing to send (by default more than
twice in five minutes each). So one silence gets one ping, and the next a long time after.
"""

from __future__ import annotations

from dataclasses import dataclass

TICK_SECONDS = 10.0


@dataclass(slots=True)
class Keepalive:
    """The state of one connection. In ticks: ``quiet`` before a ping, ``patience`` for its answer, ``again`` from one
    to the next in the same silence."""

    quiet: int = 3
    patience: int = 1
    again: int = 31

    _silent: int = 0
    _waited: int = 0
    _sent: int = 0
    _answered: int = 0

    def tick(self, *, spoke: bool, calls: int, answered: int) -> bool | None:
        """One tick has passed. ``spoke``: some call was answered in it; ``answered``: pings so far. Whether to ping
        now; None where the server is gone."""
        if answered > self._answered:
            self._answered = answered
            self._waited = 0
        if spoke:
            self._silent = self._waited = 0
            self._sent = self._answered
            return False
        if self._sent > self._answered:
            self._waited += 1
            return None if self._waited >= self.patience else False
        self._silent = self._silent + 1 if calls else 0
        if self._silent != self.quiet:
            if self._silent < self.quiet + self.again:
                return False
            self._silent = self.quiet
        self._sent += 1
        return True
