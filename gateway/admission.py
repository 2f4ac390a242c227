"""Who may generate now, who waits, and who is told to come again: a slot for each generation.

It knows tasks, a clock, callers and one fair queue for each engine. It must not know HTTP, endpoints of Triton, or how
much they take: ``room`` says so, and ``wake`` is called when that may have changed.

Where ``room`` is true and nobody waits, a slot costs a function call. The lease that makes room smaller must be taken
before the body of ``async with`` awaits anything: one waiter is let in for each turn of the event loop, so that the
next answer of ``room`` knows about it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from prometheus_client import Histogram

from gateway.core.caller import Caller
from gateway.core.errors import Overloaded, RateLimited
from gateway.core.queue import Drain, FairQueue, QueueLimits, Ticket
from gateway.metrics import Metrics

LOOK_SECONDS = 0.25  # between looks for room while anybody waits: time alone makes some, as after a failure


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """Somebody in the queue. ``room``: whether an endpoint would take a request of theirs."""

    room: Callable[[], bool]
    admitted: asyncio.Future[None]


@dataclass(slots=True)
class _Lane:
    """One engine's queue. ``letting_in``: a waiter was let in, and its lease is not taken yet."""

    model: str
    queue: FairQueue[_Waiter]
    seconds: Histogram  # of this model
    drain: Drain = field(default_factory=Drain)
    letting_in: bool = False
    looking: asyncio.TimerHandle | None = None


class Admission:
    """The queues of all engines, and what each caller has running."""

    def __init__(self, limits: QueueLimits, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._metrics = metrics
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._streams: Counter[str] = Counter()

    def slot(self, model: str, caller: Caller, tokens: int, room: Callable[[], bool]) -> Slot:
        """``async with admission.slot(…) as waited``: the right to generate, and the seconds it took to get it.

        ``model``: whose engine it is, the same for a model and its LoRAs. ``tokens``: of the prompt. ``room``: whether
        an endpoint takes one more now. It must be true while no endpoint is up: then waiting is no use, and whoever
        leases finds out. Raises Overloaded where the queue is full or the time in it is over, RateLimited where the
        caller runs as many as it may.
        """
        return Slot(self, self._lane(model), caller, tokens, room)

    def check(self, model: str, caller: Caller, tokens: int) -> None:
        """Raises now what ``slot`` is sure to raise, before work is spent on a request. ``tokens``: no more than the
        prompt can have."""
        lane = self._lane(model)
        self._check_streams(lane, caller)
        if lane.queue and not lane.queue.fits(tokens):
            raise self._refused(lane, "full")

    def wake(self, model: str | None = None) -> None:
        """There may be room now: for one model's engine, or for any."""
        for lane in list(self._lanes.values()) if model is None else [self._lane(model)]:
            self._let_in(lane)

    def waiting(self, model: str) -> int:
        """Requests in the queue of a model's engine."""
        return len(self._lane(model).queue)

    def _lane(self, model: str) -> _Lane:
        lane = self._lanes.get(model)
        if lane is None:
            lane = self._lanes[model] = _Lane(model, FairQueue(self.limits), self._metrics.queue_seconds.labels(model))
        return lane

    def _enter(self, lane: _Lane, room: Callable[[], bool]) -> bool:
        """Whether somebody who comes now need not wait."""
        return not lane.queue and not lane.letting_in and room()

    async def _wait(self, lane: _Lane, caller: Caller, tokens: int, room: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        admitted: asyncio.Future[None] = loop.create_future()
        if not lane.queue:
            lane.drain.started(self._clock())
        waiter = _Waiter(room, admitted)
        ticket = lane.queue.push(caller.name, caller.priority, tokens, waiter)
        if ticket is None:
            raise self._refused(lane, "full")
        self._gauge(lane)
        timer = loop.call_later(self.limits.queue_seconds, self._expire, lane, ticket)
        try:
            if lane.looking is None:
                self._look(lane)
            else:
                self._let_in(lane)
            await admitted
        except asyncio.CancelledError:
            self._metrics.not_admitted.labels(lane.model, "left").inc()
            if not lane.queue.drop(ticket):  # it was let in, and does not come
                loop.call_soon(self._let_in, lane)
            raise
        finally:
            timer.cancel()
            self._gauge(lane)

    def _let_in(self, lane: _Lane) -> None:
        """The next one, if there is room; then another in the next turn of the loop."""
        if lane.letting_in:
            return
        while (first := lane.queue.first()) is not None and first.item.admitted.done():
            lane.queue.drop(first)  # its client left a moment ago
        if first is None or not first.item.room():
            return
        lane.queue.pop()
        lane.drain.left(self._clock())
        lane.letting_in = True
        first.item.admitted.set_result(None)
        # The waiter's task is in the loop's list already: it runs before this.
        asyncio.get_running_loop().call_soon(self._next, lane)

    def _look(self, lane: _Lane) -> None:
        """Lets in who may come because of time alone, for as long as anybody waits."""
        lane.looking = None
        self._let_in(lane)
        if lane.queue:
            lane.looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look, lane)

    def _next(self, lane: _Lane) -> None:
        lane.letting_in = False
        self._let_in(lane)

    def _expire(self, lane: _Lane, ticket: Ticket[_Waiter]) -> None:
        if lane.queue.drop(ticket) and not ticket.item.admitted.done():
            ticket.item.admitted.set_exception(self._refused(lane, "timeout"))

    def _refused(self, lane: _Lane, reason: str) -> Overloaded:
        self._metrics.not_admitted.labels(lane.model, reason).inc()
        seconds = lane.drain.retry_after(len(lane.queue) + 1, self._clock()) if lane.queue else 1
        message = {
            "full": f"Every engine of '{lane.model}' is busy, and {len(lane.queue)} requests wait already.",
            "timeout": f"No engine of '{lane.model}' was free within {self.limits.queue_seconds:g} seconds.",
        }[reason]
        return Overloaded(f"{message} Try again in {seconds} s.", retry_after=seconds)

    def _check_streams(self, lane: _Lane, caller: Caller) -> None:
        if caller.max_streams and self._streams[caller.name] >= caller.max_streams:
            self._metrics.not_admitted.labels(lane.model, "streams").inc()
            raise RateLimited(
                f"This key may have {caller.max_streams} answers under way at once, and has them. Wait for one to end.",
                kind="requests",
                retry_after=1,
            )

    def _gauge(self, lane: _Lane) -> None:
        self._metrics.queue_requests.labels(lane.model).set(len(lane.queue))
        self._metrics.queue_tokens.labels(lane.model).set(lane.queue.tokens)


class Slot:
    """The right to generate, as a context. Entering it waits, and says for how many seconds it did."""

    __slots__ = ("_admission", "_caller", "_lane", "_room", "_tokens")

    def __init__(
        self, admission: Admission, lane: _Lane, caller: Caller, tokens: int, room: Callable[[], bool]
    ) -> None:
        self._admission = admission
        self._lane = lane
        self._caller = caller
        self._tokens = tokens
        self._room = room

    async def __aenter__(self) -> float:
        admission, name = self._admission, self._caller.name
        admission._check_streams(self._lane, self._caller)
        admission._streams[name] += 1
        waited = 0.0
        try:
            if not admission._enter(self._lane, self._room):
                started = admission._clock()
                await admission._wait(self._lane, self._caller, self._tokens, self._room)
                waited = max(admission._clock() - started, 0.0)
        except BaseException:
            self._left()
            raise
        self._lane.seconds.observe(waited)
        return waited

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        self._left()
        self._admission._let_in(self._lane)

    def _left(self) -> None:
        streams, name = self._admission._streams, self._caller.name
        streams[name] -= 1
        if not streams[name]:
            del streams[name]
