"""A stream that must keep its deadlines. It knows asyncio and seconds; it must not know what flows.

One timer per stream, moved on by writing down a number: ``asyncio.timeout`` around each item would set and cancel a
timer for every token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from gateway.core.errors import GatewayError

T = TypeVar("T")

Late = Callable[[str, float], GatewayError]  # what was waited for, and its seconds → the error


class Guard:
    """Ends the wait of a stream: by its deadlines, or by whoever calls ``end``."""

    __slots__ = ("_due", "_error", "_late", "_loop", "_task", "_timer", "_waiting_for")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None  # that waits now
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None  # of the present wait, by the loop's clock
        self._late: Late | None = None
        self._waiting_for = ("", 0.0)  # what the present wait is for, and its seconds
        self._error: GatewayError | None = None

    def end(self, error: GatewayError) -> None:
        """The present wait, or the next one, raises this. Later calls do nothing."""
        if self._error is None:
            self._error = error
            if self._task is not None:
                self._task.cancel()

    @property
    def now(self) -> float:
        """By the loop's clock, which deadlines are of."""
        return self._loop.time()

    def start(self, due: float | None, late: Late, waiting_for: tuple[str, float]) -> None:
        """A wait begins, in the running task. Past ``due`` it raises what ``late`` makes of what is waited for."""
        if self._error is not None:
            raise self._error
        self._task = asyncio.current_task()
        self._due, self._late, self._waiting_for = due, late, waiting_for
        if due is not None and (self._timer is None or self._timer.when() > due):
            self._arm(due)

    def stop(self) -> None:
        """The wait is over, well or not."""
        self._task = None

    def ended(self) -> GatewayError | None:
        """Why a wait was cancelled, if ``end`` or a deadline did it."""
        return self._error

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._task is None or self._due is None:
            return  # nobody waits: the next wait arms anew
        if self._loop.time() < self._due:
            self._arm(self._due)
        elif self._late is not None:
            self.end(self._late(*self._waiting_for))


async def within(
    stream: AsyncGenerator[T, None],
    guard: Guard,
    *,
    first_seconds: float,
    idle_seconds: float,
    total_seconds: float,
    late: Late,
) -> AsyncGenerator[T, None]:
    """What the stream gives, as long as its first item, each further one and all of it come in time; 0: any time.

    ``late`` makes the error from what was waited for and its seconds. The reader's own time counts in the total only.
    """
    total = guard.now + total_seconds if total_seconds else None
    waiting_for = ("first token", first_seconds)
    try:
        async with aclosing(stream):
            while True:
                seconds = waiting_for[1]
                due = guard.now + seconds if seconds else None
                if total is not None and (due is None or total <= due):
                    guard.start(total, late, ("end of the answer", total_seconds))
                else:
                    guard.start(due, late, waiting_for)
                try:
                    item = await stream.__anext__()
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    error = guard.ended()
                    if error is None or _cancelled_from_outside():
                        raise
                    raise error from None
                finally:
                    guard.stop()
                yield item
                waiting_for = ("next token", idle_seconds)
    finally:
        guard.close()


def _cancelled_from_outside() -> bool:
    """Whether somebody else cancelled the running task too; takes our own cancel back. Unknown on Python 3.10."""
    task = asyncio.current_task()
    uncancel = getattr(task, "uncancel", None)
    return uncancel is not None and uncancel() > 0
