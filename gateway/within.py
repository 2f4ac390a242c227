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


class Guard:
    """Ends the wait of a stream: by its deadlines, or by whoever calls ``end``."""

    __slots__ = ("_due", "_error", "_late", "_loop", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None  # that waits now
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None  # of the present wait, by the loop's clock
        self._late: Callable[[], GatewayError] | None = None
        self._error: GatewayError | None = None

    def end(self, error: GatewayError) -> None:
        """The present wait, or the next one, raises this. Later calls do nothing."""
        if self._error is None:
            self._error = error
            if self._task is not None:
                self._task.cancel()

    def start(self, due: float | None, late: Callable[[], GatewayError]) -> None:
        """A wait begins, in the running task. Past ``due`` it raises what ``late`` makes."""
        if self._error is not None:
            raise self._error
        self._task = asyncio.current_task()
        self._due, self._late = due, late
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
            self.end(self._late())


async def within(
    stream: AsyncGenerator[T, None],
    guard: Guard,
    *,
    first_seconds: float,
    idle_seconds: float,
    total_seconds: float,
    late: Callable[[str, float], GatewayError],
) -> AsyncGenerator[T, None]:
    """What the stream gives, as long as its first item, each further one and all of it come in time; 0: any time.

    ``late`` makes the error from what was waited for and its seconds. The reader's own time counts in the total only.
    """
    loop = guard._loop
    total = loop.time() + total_seconds if total_seconds else None
    seconds, what = first_seconds, "first token"
    try:
        async with aclosing(stream):
            while True:
                due = loop.time() + seconds if seconds else None
                if total is not None and (due is None or total <= due):
                    due, lateness = total, ("end of the answer", total_seconds)
                else:
                    lateness = (what, seconds)
                guard.start(due, lambda lateness=lateness: late(*lateness))  # type: ignore[misc]
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
                seconds, what = idle_seconds, "next token"
    finally:
        guard.close()


def _cancelled_from_outside() -> bool:
    """Whether somebody else cancelled the running task too; takes our own cancel back. Unknown on Python 3.10."""
    task = asyncio.current_task()
    uncancel = getattr(task, "uncancel", None)
    return uncancel is not None and uncancel() > 0
