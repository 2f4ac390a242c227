"""Deadlines of a stream. Times are far apart, so that no order depends on how quick the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from gateway.core.errors import UpstreamError, UpstreamTimeout
from gateway.within import Guard, within

NEVER = 3600.0
SOON = 0.05


class Source:
    """Gives numbers; before the item ``hangs_at`` it waits for ever. ``closed``: its cleanup ran."""

    def __init__(self, items: int, hangs_at: int | None = None) -> None:
        self._items, self._hangs_at = items, hangs_at
        self.closed = False
        self.hanging = asyncio.Event()

    async def stream(self) -> AsyncGenerator[int, None]:
        try:
            for item in range(self._items):
                if item == self._hangs_at:
                    self.hanging.set()
                    await asyncio.Event().wait()
                yield item
        finally:
            self.closed = True


def guarded(
    source: Source, guard: Guard, *, first: float = 0, idle: float = 0, total: float = 0
) -> AsyncGenerator[int, None]:
    return within(
        source.stream(),
        guard,
        first_seconds=first,
        idle_seconds=idle,
        total_seconds=total,
        late=lambda what, seconds: UpstreamTimeout(f"no {what} in {seconds:g}"),
    )


@pytest.mark.parametrize(
    ("hangs_at", "deadlines", "got", "message"),
    [
        (0, {"first": SOON, "idle": NEVER}, 0, "no first token in 0.05"),
        (0, {"first": NEVER, "total": SOON}, 0, "no end of the answer in 0.05"),
        (2, {"first": NEVER, "idle": SOON}, 2, "no next token in 0.05"),
        (2, {"first": NEVER, "idle": NEVER, "total": SOON}, 2, "no end of the answer in 0.05"),
    ],
    ids=["first", "total-before-the-first", "idle", "total"],
)
async def test_a_deadline_ends_the_wait(hangs_at: int, deadlines: dict[str, float], got: int, message: str) -> None:
    source, seen = Source(5, hangs_at), []

    async def read() -> None:
        async with aclosing(guarded(source, Guard(), **deadlines)) as items:
            async for item in items:
                seen.append(item)

    with pytest.raises(UpstreamTimeout, match=message):
        await asyncio.wait_for(read(), 10)
    assert (seen, source.closed) == (list(range(got)), True)


@pytest.mark.parametrize("seconds", [0, NEVER], ids=["no-deadlines", "far-away"])
async def test_a_stream_in_time_is_left_alone(seconds: float) -> None:
    source = Source(1000)
    items = guarded(source, Guard(), first=seconds, idle=seconds, total=seconds)
    assert [item async for item in items] == list(range(1000))
    assert source.closed


async def test_the_readers_time_is_not_the_streams() -> None:
    items = guarded(Source(3), Guard(), first=SOON, idle=SOON)
    seen = []
    async with aclosing(items):
        async for item in items:
            seen.append(item)
            done = asyncio.Event()
            asyncio.get_running_loop().call_later(2 * SOON, done.set)
            await done.wait()
    assert seen == [0, 1, 2]


async def test_somebody_may_end_a_wait() -> None:
    source, guard = Source(5, 1), Guard()

    async def read() -> list[int]:
        return [item async for item in guarded(source, guard, first=NEVER)]

    reading = asyncio.ensure_future(read())
    await source.hanging.wait()
    guard.end(UpstreamError("lost"))
    guard.end(UpstreamError("too late"))
    with pytest.raises(UpstreamError, match="lost"):
        await asyncio.wait_for(reading, 10)
    assert source.closed


async def test_an_end_before_the_wait_is_told_at_once() -> None:
    guard = Guard()
    guard.end(UpstreamError("lost"))
    with pytest.raises(UpstreamError, match="lost"):
        await asyncio.wait_for(guarded(Source(5), guard).__anext__(), 10)


async def test_a_cancel_stays_a_cancel() -> None:
    source = Source(5, 2)

    async def read() -> None:
        async for _ in guarded(source, Guard(), first=NEVER, idle=NEVER, total=NEVER):
            pass

    reading = asyncio.ensure_future(read())
    await source.hanging.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reading, 10)
    assert source.closed


async def test_no_timer_is_left_behind() -> None:
    guard = Guard()
    _ = [item async for item in guarded(Source(3), guard, first=NEVER, idle=NEVER)]
    assert guard._timer is not None
    assert guard._timer.cancelled()
