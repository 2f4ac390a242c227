"""One generation on whichever Triton can serve it: lease, send, keep deadlines, and go elsewhere while that is safe.

Another Triton may be tried only while no piece has arrived: then the client cannot tell, and the seed is the same. It
knows pools and their backends. It must not know what becomes of a piece, nor HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.core.balance import Outcome, Work
from gateway.core.errors import GatewayError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.core.types import Generate, Piece, Tokenizer
from gateway.settings.deadlines import Deadlines
from gateway.triton.backend import Backend
from gateway.triton.member import Leased, Served
from gateway.triton.pool import Pool
from gateway.within import Guard, within

logger = logging.getLogger("gateway.triton")

T = TypeVar("T")
B = TypeVar("B", bound=Served[Any])

Pieces = Sequence[Piece]  # that came together; at least one

# Tritons that one request may be sent to. A request that kills engines must not kill all of them.
MOST = 3


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done, wherever. ``ends_itself``: whether the engine is about to end it without being told."""

    work: Work
    generate: Generate
    tokenizer: Tokenizer
    ends_itself: Callable[[], bool]


@dataclass(slots=True)
class _Ledger:
    """What became of one request so far: errors by address, and leases of engines that refused it, until it is known
    whether another takes it."""

    failures: dict[str, UpstreamError] = field(default_factory=dict)
    suspects: list[Leased[Backend]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How generations are carried out. ``failed_over`` is called with the model each time another Triton is tried."""

    deadlines: Deadlines
    failed_over: Callable[[str], None]

    async def pieces(
        self,
        pool: Pool[Backend],
        generate: Generate,
        tokenizer: Tokenizer,
        session: str | None,
        ends_itself: Callable[[], bool],
    ) -> AsyncGenerator[Pieces, None]:
        """The answer's pieces, together what came together; the last one is final. UpstreamError where no Triton could
        give it; RequestError where the engine says that the request is at fault. Closing the generator ends the request
        in Triton, unless it ``ends_itself``."""
        job = _Job(Work(generate.prompt.ids, generate.max_tokens, session), generate, tokenizer, ends_itself)
        ledger = _Ledger()
        begun = False
        try:
            while True:
                leased = await self._lease(pool, job.work, ledger.failures)
                attempt = self._attempt if not self.deadlines.hedge_seconds else self._hedged
                try:
                    async with aclosing(attempt(pool, leased, job, ledger)) as pieces:
                        async for batch in pieces:
                            begun = True
                            yield batch
                    return
                except UpstreamError as exc:
                    if begun or isinstance(exc, UpstreamTimeout) or len(ledger.failures) >= MOST:
                        raise
                    logger.warning("A request failed before its first token on %s: %s", leased.address, exc.message)
                self.failed_over(pool.name)
        finally:
            # What every engine refuses says nothing about engines: no client can have them taken out one by one.
            for suspect in ledger.suspects:
                pool.release(suspect, Outcome.FAILED if begun else Outcome.CANCELLED)

    async def whole(self, pool: Pool[B], work: Work, ask: Callable[[B], Awaitable[T]]) -> T:
        """What ``ask`` gets from one backend, for answers of one piece. UpstreamError where no Triton could give it."""
        tried: dict[str, UpstreamError] = {}
        while True:
            leased = await self._lease(pool, work, tried)
            outcome = Outcome.CANCELLED
            try:
                answer = await asyncio.wait_for(ask(leased.backend), self.deadlines.total_seconds or None)
                outcome = Outcome.OK
                return answer
            except asyncio.TimeoutError:
                outcome = Outcome.SILENT
                raise _late("answer", self.deadlines.total_seconds) from None
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

    async def _lease(self, pool: Pool[B], work: Work, tried: Mapping[str, UpstreamError]) -> Leased[B]:
        try:
            return await pool.lease(work, exclude=tried)
        except UpstreamUnavailable:
            if tried:
                raise next(iter(tried.values())) from None  # nobody else is there: the first failure is the reason
            raise

    async def _hedged(
        self, pool: Pool[Backend], leased: Leased[Backend], job: _Job, ledger: _Ledger
    ) -> AsyncGenerator[Pieces, None]:
        """An attempt, and another on a second Triton where the first is slow to begin. Who begins first goes on; the
        other is ended."""
        attempts = [self._attempt(pool, leased, job, ledger)]
        beginnings = {asyncio.ensure_future(_begin(attempts[0])): attempts[0]}
        try:
            done, _ = await asyncio.wait(beginnings, timeout=self.deadlines.hedge_seconds)
            if not done:
                with contextlib.suppress(UpstreamUnavailable):  # then there is no second one
                    other = await pool.lease(job.work, exclude={*ledger.failures, leased.address})
                    attempts.append(self._attempt(pool, other, job, ledger))
                    beginnings[asyncio.ensure_future(_begin(attempts[1]))] = attempts[1]
                    self.failed_over(pool.name)
            batch, winner = await _first_of(beginnings)
            for attempt in attempts:
                if attempt is not winner:
                    await _end(beginnings, attempt)
            yield batch
            async for batch in winner:
                yield batch
        finally:
            for attempt in attempts:
                await _end(beginnings, attempt)

    async def _attempt(
        self, pool: Pool[Backend], leased: Leased[Backend], job: _Job, ledger: _Ledger
    ) -> AsyncGenerator[Pieces, None]:
        """The pieces from one Triton. Gives the lease back, or leaves it among the suspects."""
        begun, outcome = False, Outcome.CANCELLED
        try:
            async with aclosing(self._one(pool, leased, job)) as pieces:
                async for batch in pieces:
                    if not begun:
                        begun = True
                        pool.first(leased)
                    if tokens := sum(len(piece.ids) for piece in batch if piece.ids):
                        pool.progress(leased, tokens)
                    if batch[-1].final:
                        outcome = Outcome.OK  # whatever becomes of it: nobody asks for what comes after
                    yield batch
        except UpstreamError as exc:
            ledger.failures[leased.address] = exc
            if isinstance(exc, UpstreamTimeout):
                outcome = Outcome.SILENT
            elif isinstance(exc, UpstreamUnavailable) and not begun:
                outcome = Outcome.REFUSED
            else:
                outcome = Outcome.FAILED
            raise
        finally:
            if outcome is Outcome.CANCELLED and job.ends_itself():
                outcome = Outcome.OK
            if outcome is Outcome.FAILED and not begun:
                ledger.suspects.append(leased)
            else:
                pool.release(leased, outcome)

    async def _one(self, pool: Pool[Backend], leased: Leased[Backend], job: _Job) -> AsyncGenerator[Pieces, None]:
        backend, guard, generate = leased.backend, Guard(), job.generate
        bound = await backend.bound()
        tensors = bound.encode(generate, job.tokenizer)
        decoder = bound.decoder(generate, job.tokenizer)
        responses = within(
            backend.stream(bound, generate.id, tensors, bound.wanted(generate), job.ends_itself),
            guard,
            first_seconds=self.deadlines.first_token_seconds,
            idle_seconds=self.deadlines.idle_seconds,
            total_seconds=self.deadlines.total_seconds,
            late=_late,
        )
        lost = leased.lost

        def leave(_: asyncio.Future[None]) -> None:
            if not lost.cancelled():
                guard.end(UpstreamUnavailable(f"A server of the model '{pool.name}' was lost. Try again shortly."))

        lost.add_done_callback(leave)
        try:
            async with aclosing(responses):
                async for batch in responses:
                    lost.remove_done_callback(leave)  # from here on it is this Triton or none
                    yield [decoder.push(response.outputs, response.final) for response in batch]
        except UpstreamError as exc:
            raise bound.blamed(exc, generate) from exc
        finally:
            lost.remove_done_callback(leave)


def _late(what: str, seconds: float) -> GatewayError:
    return UpstreamTimeout(f"The model server gave no {what} within {seconds:g} seconds. Try again, or ask for less.")


async def _begin(attempt: AsyncGenerator[Pieces, None]) -> Pieces:
    async for batch in attempt:
        return batch
    raise UpstreamError("The engine's stream ended before the answer did.")


Beginnings = dict["asyncio.Task[Pieces]", AsyncGenerator[Pieces, None]]


async def _first_of(beginnings: Beginnings) -> tuple[Pieces, AsyncGenerator[Pieces, None]]:
    """The attempt that begins first, and its first pieces. The last error where none begins."""
    error: UpstreamError | None = None
    while beginnings:
        done, _ = await asyncio.wait(beginnings, return_when=asyncio.FIRST_COMPLETED)
        for beginning in done:
            attempt = beginnings.pop(beginning)
            try:
                return beginning.result(), attempt
            except UpstreamError as exc:
                error = exc
    assert error is not None
    raise error


async def _end(beginnings: Beginnings, attempt: AsyncGenerator[Pieces, None]) -> None:
    """Ends an attempt, also while it waits for its beginning."""
    for beginning in [task for task, of in beginnings.items() if of is attempt]:
        del beginnings[beginning]
        beginning.cancel()
        await asyncio.gather(beginning, return_exceptions=True)
    await attempt.aclose()
