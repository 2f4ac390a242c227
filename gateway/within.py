"""Deadlines of work that feeds somebody: of its first item, of each further one, and of all of it.

It knows asyncio and seconds; it must not know what flows. An item costs the writing down of a moment: one timer per
work looks at that when it is due, where ``asyncio.timeout`` around each item would set and cancel one for every token.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.core.errors import GatewayError

Late = Callable[[str, float], GatewayError]  # what was waited for, and its seconds → the error


@dataclass(frozen=True, slots=True)
class Allowed:
    """Seconds that work may take; 0: any time. ``idle``: between two items."""

    first: float
    idle: float
    total: float


class Guard:
    """Ends work by its deadlines, or for whoever calls ``end``. For one work, made where that begins."""

    __slots__ = ("_allowed", "_error", "_late", "_loop", "_started", "_task", "_timer", "heard")

    def __init__(self, allowed: Allowed, late: Late) -> None:
        """``late`` makes the error from what was waited for and its seconds."""
        self._loop = asyncio.get_running_loop()
        self._allowed = allowed
        self._late = late
        self._task: asyncio.Task[object] | None = None  # that waits for the work
        self._timer: asyncio.TimerHandle | None = None
        self._started = self._loop.time()
        # When the last item came, by the loop's clock: written by whoever gets them, who calls ``begun`` at the first.
        self.heard: float | None = None
        self._error: GatewayError | None = None

    def begun(self) -> None:
        """The first item was heard: another deadline holds from now on."""
        self._look()

    def end(self, error: GatewayError) -> None:
        """The work is cancelled, and whoever waits for it gets this. Later calls do nothing."""
        if self._error is None:
            self._error = error
            if self._task is not None:
                self._task.cancel()

    async def keep(self, work: Awaitable[None]) -> None:
        """Waits for the work, as long as it is in time."""
        self._task = asyncio.current_task()
        self._look()
        try:
            if self._error is not None:
                raise self._error
            await work
        except asyncio.CancelledError:
            if self._error is None or _cancelled_from_outside():
                raise
            raise self._error from None
        finally:
            self._task = self._error = None  # a traceback holds this frame, and with it this object
            if self._timer is not None:
                self._timer.cancel()
            if asyncio.iscoroutine(work):
                work.close()  # one that was not begun; nothing happens where it was

    def _look(self) -> None:
        """Ends the work if a deadline is over; else comes again when the next one may be."""
        if self._timer is not None:
            self._timer.cancel()
        allowed = self._allowed
        if self.heard is None:
            what, seconds, since = "first token", allowed.first, self._started
        else:
            what, seconds, since = "next token", allowed.idle, self.heard
        due = since + seconds if seconds else math.inf
        if allowed.total and self._started + allowed.total <= due:
            what, seconds, due = "end of the answer", allowed.total, self._started + allowed.total
        if self._loop.time() >= due:
            self.end(self._late(what, seconds))
        elif due < math.inf:
            self._timer = self._loop.call_at(due, self._look)


def _cancelled_from_outside() -> bool:
    """Whether somebody else cancelled the running task too; takes our own cancel back. Unknown on Python 3.10."""
    task = asyncio.current_task()
    uncancel = getattr(task, "uncancel", None)
    return uncancel is not None and uncancel() > 0
