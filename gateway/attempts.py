"""One generation on whichever Triton can serve it: lease, send, keep deadlines, and go elsewhere while that is safe.

Another Triton may be tried only while no piece has arrived: then the client cannot tell, and the seed is the same. It
knows pools and their backends. It must not know what becomes of an answer, nor HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gateway.attempt import Attempt, Job, late
from gateway.core.balance import Outcome, Work
from gateway.core.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.settings.deadlines import Deadlines
from gateway.triton.backend import Backend
from gateway.triton.member import Leased, Served
from gateway.triton.pool import Pool

logger = logging.getLogger("gateway.triton")

T = TypeVar("T")
B = TypeVar("B", bound=Served[Any])

# Tritons that one request may be sent to. A request that kills engines must not kill all of them.
MOST = 3


@dataclass(slots=True)
class _Ledger:
    """What became of one request so far: whether a piece came, errors by address, and leases of engines that refused
    it, until it is known whether another takes it."""

    begun: bool = False
    failures: dict[str, UpstreamError] = field(default_factory=dict)
    suspects: list[Leased[Backend]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How generations are carried out. ``failed_over`` is called with the model each time another Triton is tried."""

    deadlines: Deadlines
    failed_over: Callable[[str], None]

    async def feed(self, pool: Pool[Backend], job: Job) -> None:
        """Does the job on one of the pool's Tritons, until the answer has its finish or the engine's stream ends.
        UpstreamError where no Triton could give it; RequestError where the engine says that the request is at fault.
        Being cancelled, or an error of ``take``, ends the request in Triton, unless it is about to end anyway."""
        ledger = _Ledger()
        try:
            while True:
                leased = await self._lease(pool, job.work, ledger.failures)
                job.record.on(leased.address)
                attempt = self._attempt if not self.deadlines.hedge_seconds else self._hedged
                try:
                    await attempt(pool, leased, job, ledger)
                    return
                except UpstreamError as exc:
                    if ledger.begun or isinstance(exc, UpstreamTimeout) or len(ledger.failures) >= MOST:
                        raise
                    logger.warning("A request failed before its first token on %s: %s", leased.address, exc.message)
                self.failed_over(pool.name)
        finally:
            # What every engine refuses says nothing about engines: no client can have them taken out one by one.
            for suspect in ledger.suspects:
                pool.release(suspect, Outcome.FAILED if ledger.begun else Outcome.CANCELLED)
            ledger.failures.clear()  # their tracebacks hold this frame

    async def whole(self, pool: Pool[B], work: Work, ask: Callable[[B], Awaitable[T]]) -> T:
        """What ``ask`` gets from one backend, for answers of one piece. UpstreamError where no Triton could give it."""
        tried: dict[str, UpstreamError] = {}
        try:
            while True:
                leased = await self._lease(pool, work, tried)
                outcome = Outcome.CANCELLED
                try:
                    answer = await asyncio.wait_for(ask(leased.backend), self.deadlines.total_seconds or None)
                    outcome = Outcome.OK
                    return answer
                except asyncio.TimeoutError:
                    outcome = Outcome.SILENT
                    raise late("answer", self.deadlines.total_seconds) from None
                except UpstreamUnavailable as exc:
                    outcome = Outcome.REFUSED
                    tried[leased.address] = exc
                    if len(tried) >= MOST:
                        raise
                    logger.warning("Triton %s failed a request: %s", leased.address, exc.message)
                except UpstreamError:
                    outcome = Outcome.FAILED
                    raise
                finally:
                    pool.release(leased, outcome)
                self.failed_over(pool.name)
        finally:
            tried.clear()  # their tracebacks hold this frame

    async def _lease(self, pool: Pool[B], work: Work, tried: Mapping[str, UpstreamError]) -> Leased[B]:
        try:
            return await pool.lease(work, exclude=tried)
        except UpstreamUnavailable:
            if not tried:
                raise
        raise next(iter(tried.values()))  # nobody else is there: the first failure is the reason

    async def _hedged(self, pool: Pool[Backend], leased: Leased[Backend], job: Job, ledger: _Ledger) -> None:
        """An attempt, and another on a second Triton where the first is slow to begin. Who begins first goes on; the
        other is ended."""
        race = Race()

        def entered(lane: Leased[Backend]) -> asyncio.Task[None]:
            return asyncio.ensure_future(self._attempt(pool, lane, replace(job, claim=race.lane()), ledger))

        lanes = [entered(leased)]
        begun = asyncio.ensure_future(race.begun.wait())
        try:
            await asyncio.wait({*lanes, begun}, timeout=self.deadlines.hedge_seconds, return_when="FIRST_COMPLETED")
            if not lanes[0].done() and race.winner is None:
                with contextlib.suppress(UpstreamUnavailable):  # then there is no second one
                    lanes.append(entered(await pool.lease(job.work, exclude={*ledger.failures, leased.address})))
                    self.failed_over(pool.name)
            running = set(lanes)
            while race.winner is None and running:
                done, _ = await asyncio.wait({*running, begun}, return_when="FIRST_COMPLETED")
                running -= done
            if race.winner is None:
                await lanes[-1]  # both failed
            for number, lane in enumerate(lanes):
                if number != race.winner:
                    await _ended(lane)
            await lanes[race.winner or 0]
        finally:
            for task in (*lanes, begun):
                await _ended(task)

    async def _attempt(self, pool: Pool[Backend], leased: Leased[Backend], job: Job, ledger: _Ledger) -> None:
        """The pieces from one Triton. Gives the lease back, or leaves it among the suspects."""
        attempt = Attempt(pool, leased, job, self.deadlines)
        try:
            await attempt.run()
        except UpstreamError as exc:
            ledger.failures[leased.address] = exc
            raise
        finally:
            ledger.begun |= attempt.begun
            if attempt.outcome is Outcome.FAILED and not attempt.begun:
                ledger.suspects.append(leased)
            else:
                pool.release(leased, attempt.outcome)


class Race:
    """Who brings the first piece wins; what others bring later does not count."""

    def __init__(self) -> None:
        self._lanes = 0
        self.begun = asyncio.Event()
        self.winner: int | None = None  # the number of its lane

    def lane(self) -> Callable[[], bool]:
        """For one more runner: to be asked when its first piece is there, whether it won."""
        number = self._lanes
        self._lanes += 1

        def claim() -> bool:
            if self.winner is None:
                self.winner = number
                self.begun.set()
            return self.winner == number

        return claim


async def _ended(task: asyncio.Task[Any]) -> None:
    """Ends a task, if it has not ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
