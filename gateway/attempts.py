"""One generation on whichever Triton can serve it: lease, send, keep deadlines, and go elsewhere while that is safe.

Another Triton may be tried only while no piece has arrived: then the client cannot tell, and the seed is the same. It
knows pools and their backends. It must not know what becomes of a piece, nor HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.core.balance import Outcome, Work
from gateway.core.errors import GatewayError, RequestError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.core.types import Generate, Piece, Tokenizer
from gateway.settings.deadlines import Deadlines
from gateway.triton.backend import Backend
from gateway.triton.pool import Leased, Pool, Served
from gateway.within import Guard, within

logger = logging.getLogger("gateway.triton")

T = TypeVar("T")
B = TypeVar("B", bound=Served[Any])

# Tritons that one request may be sent to. A request that kills engines must not kill all of them.
MOST = 3


@dataclass(frozen=True, slots=True)
class Attempts:
    """How generations are carried out. ``failed_over`` is called with the model each time another Triton is tried."""

    deadlines: Deadlines
    failed_over: Callable[[str], None]

    async def pieces(
        self, pool: Pool[Backend], generate: Generate, tokenizer: Tokenizer, session: str | None = None
    ) -> AsyncGenerator[Piece, None]:
        """The answer's pieces; the last one is final. UpstreamError where no Triton could give it; RequestError where
        the engine says that the request is at fault. Closing the generator ends the request in Triton."""
        work = Work(generate.prompt.ids, generate.max_tokens, session)
        tried: dict[str, UpstreamError] = {}
        while True:
            leased = await self._lease(pool, work, tried)
            begun, outcome = False, Outcome.CANCELLED
            try:
                async with aclosing(self._one(pool, leased, generate, tokenizer)) as pieces:
                    async for piece in pieces:
                        if not begun:
                            begun = True
                            pool.first(leased)
                        if piece.ids:
                            pool.progress(leased, len(piece.ids))
                        yield piece
                outcome = Outcome.OK
                return
            except UpstreamError as exc:
                outcome = _outcome(exc, begun)
                tried[leased.address] = exc
                if begun or isinstance(exc, UpstreamTimeout) or len(tried) >= MOST:
                    raise
                logger.warning("Triton %s failed a request before its first token: %s", leased.address, exc.message)
            except RequestError:
                outcome = Outcome.OK
                raise
            finally:
                pool.release(leased, outcome)
            self.failed_over(pool.name)

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

    async def _one(
        self, pool: Pool[Backend], leased: Leased[Backend], generate: Generate, tokenizer: Tokenizer
    ) -> AsyncGenerator[Piece, None]:
        backend, guard = leased.backend, Guard()
        bound = await backend.bound()
        tensors = bound.encode(generate, tokenizer)
        decoder = bound.decoder(generate, tokenizer)
        responses = within(
            backend.stream(bound, generate.id, tensors, bound.wanted(generate)),
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
                async for response in responses:
                    lost.remove_done_callback(leave)  # from here on it is this Triton or none
                    yield decoder.push(response.outputs, response.final)
        except UpstreamError as exc:
            raise bound.blamed(exc, generate) from exc
        finally:
            lost.remove_done_callback(leave)


def _late(what: str, seconds: float) -> GatewayError:
    return UpstreamTimeout(f"The model server gave no {what} within {seconds:g} seconds. Try again, or ask for less.")


def _outcome(error: UpstreamError, begun: bool) -> Outcome:
    """What an error tells about the Triton it came from."""
    if isinstance(error, UpstreamTimeout):
        return Outcome.SILENT
    if isinstance(error, UpstreamUnavailable) and not begun:
        return Outcome.REFUSED
    return Outcome.FAILED
