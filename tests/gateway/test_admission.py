"""Slots: who waits, who is let in when there is room, who is told to come again, and that nothing leaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.admission import Admission
from gateway.core.caller import ANYONE, Caller
from gateway.core.errors import GatewayError, Overloaded, RateLimited
from gateway.core.queue import QueueLimits
from gateway.metrics import Metrics

WAIT = 10.0  # seconds until a test gives up


class Engine:
    """Endpoints that take so many requests at once, leased as the pool leases: without awaiting."""

    def __init__(self, capacity: int, **limits: Any) -> None:
        self.capacity = capacity
        self.running = self.most = 0
        self.order: list[str] = []
        self.metrics = Metrics()
        self.admission = Admission(QueueLimits(**limits), self.metrics)
        self.tasks: list[asyncio.Task[float]] = []
        self.end = asyncio.Event()

    def room(self) -> bool:
        return self.running < self.capacity

    @asynccontextmanager
    async def _lease(self, name: str) -> AsyncGenerator[None, None]:
        assert self.room(), "let in without room"
        self.running += 1
        self.most = max(self.most, self.running)
        self.order.append(name)
        try:
            yield
        finally:
            self.running -= 1
            self.admission.wake("m")

    async def generate(self, name: str, caller: Caller = ANYONE, tokens: int = 10) -> float:
        async with self.admission.slot("m", caller, tokens, self.room) as waited, self._lease(name):
            await self.end.wait()
        return waited

    def start(self, name: str, caller: Caller = ANYONE, tokens: int = 10) -> asyncio.Task[float]:
        self.tasks.append(asyncio.ensure_future(self.generate(name, caller, tokens)))
        return self.tasks[-1]

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"model": "m", **labels}) or 0.0


async def until(true: Callable[[], bool]) -> None:
    """Lets the loop turn until it is so."""
    for _ in range(100_000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def refusal(task: asyncio.Future[Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await asyncio.wait_for(task, WAIT)
    return caught.value


async def test_nobody_waits_while_there_is_room() -> None:
    engine = Engine(100)
    tasks = [engine.start(str(n)) for n in range(100)]
    await until(lambda: engine.running == 100)
    engine.end.set()
    assert await asyncio.gather(*tasks) == [0.0] * 100
    assert engine.value("gateway_queue_seconds_count") == 100
    assert engine.value("gateway_queue_seconds_bucket", le="0.0") == 100


async def test_a_burst_is_let_in_one_after_another_and_never_too_many() -> None:
    engine = Engine(3)
    tasks = [engine.start(str(n)) for n in range(50)]
    await until(lambda: engine.admission.waiting("m") == 47)
    assert engine.value("gateway_queue_requests") == 47
    assert engine.value("gateway_queue_tokens") == 470
    engine.end.set()
    waited = await asyncio.wait_for(asyncio.gather(*tasks), WAIT)
    assert engine.most == 3
    assert engine.order == [str(n) for n in range(50)]
    assert all(seconds > 0 for seconds in waited[3:])
    assert engine.value("gateway_queue_requests") == 0


async def test_room_for_many_lets_in_many() -> None:
    engine = Engine(0)
    for n in range(20):
        engine.start(str(n))
    await until(lambda: engine.admission.waiting("m") == 20)
    engine.capacity = 20
    engine.admission.wake("m")
    await until(lambda: engine.running == 20)
    engine.end.set()
    await asyncio.gather(*engine.tasks)


async def test_time_alone_may_make_room() -> None:
    engine = Engine(0)
    task = engine.start("a")
    await until(lambda: engine.admission.waiting("m") == 1)
    engine.capacity = 1  # and nobody says so
    engine.end.set()
    assert await asyncio.wait_for(task, WAIT) > 0


async def test_keys_take_turns() -> None:
    engine = Engine(0)
    for n in range(3):
        engine.start(f"greedy-{n}", Caller("greedy"))
    engine.start("modest", Caller("modest"))
    engine.start("urgent", Caller("urgent", priority="high"))
    await until(lambda: engine.admission.waiting("m") == 5)
    engine.capacity, engine.end = 1, asyncio.Event()
    engine.end.set()
    engine.admission.wake()
    await asyncio.wait_for(asyncio.gather(*engine.tasks), WAIT)
    assert engine.order[:4] == ["greedy-0", "urgent", "modest", "greedy-1"]


@pytest.mark.parametrize(
    ("limits", "tokens"),
    [({"queue_requests": 2}, 1), ({"queue_tokens": 25}, 10), ({"queue_requests": 0}, 1)],
    ids=["requests", "tokens", "nothing-waits"],
)
async def test_a_full_queue_refuses(limits: dict[str, Any], tokens: int) -> None:
    engine = Engine(1, **limits)
    places = 0 if limits.get("queue_requests") == 0 else 2
    for n in range(1 + places):
        engine.start(str(n), tokens=tokens)
    await until(lambda: engine.admission.waiting("m") == places)
    error = await refusal(engine.start("more", tokens=tokens))
    assert isinstance(error, Overloaded)
    assert error.retry_after is not None
    assert 1 <= error.retry_after <= 60
    assert engine.value("gateway_not_admitted_total", reason="full") == 1
    if places:
        with pytest.raises(Overloaded):
            engine.admission.check("m", ANYONE, tokens)
    engine.end.set()
    await asyncio.gather(*engine.tasks, return_exceptions=True)
    assert engine.running == engine.admission.waiting("m") == 0
    engine.admission.check("m", ANYONE, tokens)


async def test_the_time_in_the_queue_is_bounded() -> None:
    engine = Engine(0, queue_seconds=0.01)
    error = await refusal(engine.start("a"))
    assert isinstance(error, Overloaded)
    assert "0.01 seconds" in error.message
    assert engine.admission.waiting("m") == 0
    assert engine.value("gateway_not_admitted_total", reason="timeout") == 1


async def test_a_client_that_leaves_the_queue_is_dropped_at_once() -> None:
    engine = Engine(1)
    engine.start("running")
    gone, stays = engine.start("gone"), engine.start("stays")
    await until(lambda: engine.admission.waiting("m") == 2)
    gone.cancel()
    await until(gone.done)
    assert engine.admission.waiting("m") == 1
    assert engine.value("gateway_not_admitted_total", reason="left") == 1
    engine.end.set()
    await asyncio.wait_for(stays, WAIT)
    assert engine.order == ["running", "stays"]


async def test_one_that_leaves_in_the_moment_it_is_let_in_blocks_nobody() -> None:
    engine = Engine(0)
    gone, stays = engine.start("gone"), engine.start("stays")
    await until(lambda: engine.admission.waiting("m") == 2)
    engine.capacity = 1
    engine.admission.wake("m")  # lets it in
    gone.cancel()
    engine.end.set()
    await asyncio.wait_for(stays, WAIT)
    assert engine.order == ["stays"]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_two_that_leave_together_make_way() -> None:
    engine = Engine(0)
    tasks = [engine.start(name) for name in ("x", "y", "stays")]
    await until(lambda: engine.admission.waiting("m") == 3)
    engine.capacity = 1
    tasks[0].cancel()
    tasks[1].cancel()
    engine.admission.wake("m")
    engine.end.set()
    await asyncio.wait_for(tasks[2], WAIT)
    assert engine.order == ["stays"]


async def test_a_key_s_own_limit_of_streams() -> None:
    engine = Engine(100)
    two = Caller("two", max_streams=2)
    first, second = engine.start("1", two), engine.start("2", two)
    await until(lambda: engine.running == 2)
    error = await refusal(engine.start("3", two))
    assert isinstance(error, RateLimited)
    assert (error.status, error.retry_after) == (429, 1)
    with pytest.raises(RateLimited):
        engine.admission.check("m", two, 1)
    engine.start("other", Caller("other", max_streams=1))
    await until(lambda: engine.running == 3)
    first.cancel()
    await until(first.done)
    engine.admission.check("m", two, 1)
    engine.end.set()
    await second
    await asyncio.gather(*engine.tasks, return_exceptions=True)
    assert not engine.admission._streams


async def test_waiting_counts_as_a_stream_until_it_ends() -> None:
    engine = Engine(0)
    one = Caller("one", max_streams=1)
    waiting = engine.start("1", one)
    await until(lambda: engine.admission.waiting("m") == 1)
    assert isinstance(await refusal(engine.start("2", one)), RateLimited)
    waiting.cancel()
    await until(waiting.done)
    assert not engine.admission._streams


async def test_models_do_not_wait_for_each_other() -> None:
    engine = Engine(0)
    engine.start("m")
    await until(lambda: engine.admission.waiting("m") == 1)
    async with engine.admission.slot("other", ANYONE, 10, lambda: True) as waited:
        assert waited == 0.0
    engine.tasks[0].cancel()
    await asyncio.gather(*engine.tasks, return_exceptions=True)
