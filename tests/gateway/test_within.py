"""Deadlines of work. Times are far apart, so that no order depends on how quick the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from gateway.core.errors import UpstreamError, UpstreamTimeout
from gateway.within import Allowed, Guard

NEVER = 3600.0
SOON = 0.05


class Source:
    """Gives numbers to its guard and to ``seen``; before the item ``hangs_at`` it waits for ever. ``closed``: its
    cleanup ran."""

    def __init__(self, items: int, hangs_at: int | None = None, *, pause: float = 0) -> None:
        self._items, self._hangs_at, self._pause = items, hangs_at, pause
        self.seen: list[int] = []
        self.closed = False
        self.hanging = asyncio.Event()

    async def work(self, guard: Guard) -> None:
        try:
            for item in range(self._items):
                if item == self._hangs_at:
                    self.hanging.set()
                    await asyncio.Event().wait()
                await paused(self._pause)
                first, guard.heard = guard.heard is None, asyncio.get_running_loop().time()
                if first:
                    guard.begun()
                self.seen.append(item)
        finally:
            self.closed = True


def paused(seconds: float) -> Awaitable[None]:
    """Done after that time."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(seconds, done.set_result, None)
    return done


def guarded(*, first: float = 0, idle: float = 0, total: float = 0) -> Guard:
    return Guard(Allowed(first, idle, total), lambda what, seconds: UpstreamTimeout(f"no {what} in {seconds:g}"))


@pytest.mark.parametrize(
    ("hangs_at", "deadlines", "got", "message"),
    [
        (0, {"first": SOON, "idle": NEVER}, 0, "no first token in 0.05"),
        (0, {"first": NEVER, "total": SOON}, 0, "no end of the answer in 0.05"),
        (2, {"first": NEVER, "idle": SOON}, 2, "no next token in 0.05"),
        (2, {"idle": SOON}, 2, "no next token in 0.05"),
        (2, {"first": NEVER, "idle": NEVER, "total": SOON}, 2, "no end of the answer in 0.05"),
    ],
    ids=["first", "total-before-the-first", "idle", "idle-alone", "total"],
)
async def test_a_deadline_ends_the_work(hangs_at: int, deadlines: dict[str, float], got: int, message: str) -> None:
    source, guard = Source(5, hangs_at), guarded(**deadlines)
    with pytest.raises(UpstreamTimeout, match=message):
        await asyncio.wait_for(guard.keep(source.work(guard)), 10)
    assert (source.seen, source.closed) == (list(range(got)), True)


@pytest.mark.parametrize("seconds", [0, NEVER], ids=["no-deadlines", "far-away"])
async def test_work_in_time_is_left_alone(seconds: float) -> None:
    source, guard = Source(20), guarded(first=seconds, idle=seconds, total=seconds)
    await guard.keep(source.work(guard))
    assert (source.seen, source.closed) == (list(range(20)), True)


async def test_the_time_between_items_counts_from_the_last_one() -> None:
    source, guard = Source(8, pause=SOON), guarded(first=NEVER, idle=5 * SOON)
    await guard.keep(source.work(guard))
    assert source.seen == list(range(8)), "all of it took longer than one may"


async def test_somebody_may_end_the_work() -> None:
    source, guard = Source(5, 1), guarded(first=NEVER)
    working = asyncio.ensure_future(guard.keep(source.work(guard)))
    await source.hanging.wait()
    guard.end(UpstreamError("lost"))
    guard.end(UpstreamError("too late"))
    with pytest.raises(UpstreamError, match="lost"):
        await asyncio.wait_for(working, 10)
    assert source.closed


async def test_work_that_ended_before_it_began_is_not_begun() -> None:
    source, guard = Source(5), guarded()
    guard.end(UpstreamError("lost"))
    with pytest.raises(UpstreamError, match="lost"):
        await asyncio.wait_for(guard.keep(source.work(guard)), 10)
    assert source.seen == []


async def test_an_error_of_the_work_comes_out() -> None:
    async def work() -> None:
        raise UpstreamError("broken")

    with pytest.raises(UpstreamError, match="broken"):
        await guarded(total=NEVER).keep(work())


async def test_a_cancel_stays_a_cancel() -> None:
    source, guard = Source(5, 2), guarded(first=NEVER, idle=NEVER, total=NEVER)
    working = asyncio.ensure_future(guard.keep(source.work(guard)))
    await source.hanging.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(working, 10)
    assert source.closed


async def test_no_timer_is_left_behind() -> None:
    source, guard = Source(3), guarded(first=NEVER, idle=NEVER)
    await guard.keep(source.work(guard))
    assert guard._timer is not None
    assert guard._timer.cancelled()
