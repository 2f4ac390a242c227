"""One generation on one Triton: its responses become deltas, deadlines are kept, and the pool hears how far it is.

It knows a lease, the backend of it, and the pipeline. It must not know other Tritons, nor what becomes of a delta.

All that is done for a token here is done in one call, and what a token said in another plain answer is not found out
again: a process that slept between two tokens is slow at first, and each function costs it a microsecond or two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from gateway.core.balance import Outcome, Work
from gateway.core.errors import GatewayError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.core.pipeline import Pipeline
from gateway.core.routes.decode import Decoder, joined
from gateway.core.said import Deltas, Said, keep
from gateway.core.tensors import Described, Response
from gateway.core.types import Delta, Generate, Tokenizer
from gateway.recorder import Recorder
from gateway.settings.deadlines import Deadlines
from gateway.triton.backend import Backend
from gateway.triton.member import Leased
from gateway.triton.pool import Pool
from gateway.within import Allowed, Guard

Take = Callable[[Delta], object]

# A pool hears of so many tokens at once, or of those of so many seconds: it weighs hundreds.
TOLD_TOKENS = 16
TOLD_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, wherever: the generation, and where its answer goes. ``claim`` is asked when the first piece
    comes: whether this attempt is the one whose answer counts. ``said``: what other answers of the model said."""

    work: Work
    generate: Generate
    tokenizer: Tokenizer
    pipeline: Pipeline
    record: Recorder
    take: Take
    said: Said
    claim: Callable[[], bool] = lambda: True


class Attempt:
    """``run`` it once. Then ``begun`` says whether a piece came, and ``outcome`` how it ended for the pool."""

    __slots__ = (
        "_clock",
        "_decoder",
        "_deltas",
        "_described",
        "_guard",
        "_job",
        "_leased",
        "_moments",
        "_pipeline",
        "_pool",
        "_take",
        "_tell_at",
        "_untold",
        "begun",
        "outcome",
    )

    def __init__(self, pool: Pool[Backend], leased: Leased[Backend], job: Job, deadlines: Deadlines) -> None:
        self._pool = pool
        self._leased = leased
        self._job = job
        self._pipeline = job.pipeline
        self._moments = job.record.moments
        self._take = job.take
        self._clock = asyncio.get_running_loop().time
        allowed = Allowed(deadlines.first_token_seconds, deadlines.idle_seconds, deadlines.total_seconds)
        self._guard = Guard(allowed, late)
        self._decoder: Decoder | None = None
        self._described: tuple[Described, ...] | None = None  # the outputs of the last response whose delta was kept …
        self._deltas: Deltas = {}  # … and what others of the kind were found to say
        self._untold = 0  # tokens that the pool was not told of …
        self._tell_at = 0.0  # … and when it is to be, however few they are
        self.begun = False
        self.outcome = Outcome.CANCELLED

    async def run(self) -> None:
        """Until the answer has its finish, or the engine's stream ends. UpstreamError where this Triton does not give
        it. Being cancelled, or an error of ``take``, ends the request in Triton, unless it is about to end anyway."""
        try:
            await self._feed()
        except UpstreamTimeout:
            self.outcome = Outcome.SILENT
            raise
        except UpstreamUnavailable:
            self.outcome = Outcome.FAILED if self.begun else Outcome.REFUSED
            raise
        except UpstreamError:
            self.outcome = Outcome.FAILED
            raise
        finally:
            self._tell(0.0)
            if self.outcome is Outcome.CANCELLED and self._ends_itself():
                self.outcome = Outcome.OK

    async def _feed(self) -> None:
        generate, tokenizer, backend = self._job.generate, self._job.tokenizer, self._leased.backend
        bound = await backend.bound()
        tensors = bound.encode(generate, tokenizer)
        self._decoder = bound.decoder(generate, tokenizer)
        lost = self._leased.lost
        lost.add_done_callback(self._leave)
        try:
            await self._guard.keep(
                backend.feed(
                    bound,
                    generate.id,
                    tensors,
                    bound.wanted(generate),
                    self._ends_itself,
                    self._read,
                    lambda: self.begun,
                )
            )
        except UpstreamError as exc:
            blamed = bound.blamed(exc, generate)
            if blamed is exc:
                raise
            raise blamed from exc
        finally:
            lost.remove_done_callback(self._leave)

    def _read(self, responses: Sequence[Response]) -> bool:
        """What arrived together. Whether it is enough."""
        pipeline = self._pipeline
        now = self._guard.heard = self._clock()
        delta = None
        if len(responses) == 1 and pipeline.stateless and pipeline.tokens + 1 < pipeline.limit:
            described, contents, final = responses[0]
            if described is self._described and not final:
                delta = self._deltas.get(contents)
        if delta is not None:
            pipeline.tokens += 1
            self._untold += 1
        else:
            if not self.begun and not self._begin():
                return True
            delta = self._push(responses)
        if self._untold >= TOLD_TOKENS or now >= self._tell_at:
            self._tell(now)
        parts, finish, logprobs, _, _ = delta
        if parts or finish is not None or logprobs:
            if parts or self._moments:
                self._moments.append(perf_counter())
            if finish is not None:
                self._job.record.finished(finish)
            self._take(delta)
        return pipeline.finished

    def _push(self, responses: Sequence[Response]) -> Delta:
        """What they say together. It is kept where it depends on the last one alone."""
        decoder, pipeline = self._decoder, self._pipeline
        assert decoder is not None
        piece = decoder.push(responses[0]) if len(responses) == 1 else joined(list(map(decoder.push, responses)))
        # Of an engine that answers in text nobody counts tokens before the end; a piece is one, more or less.
        self._untold += 1 if piece.ids is None else len(piece.ids)
        if piece.final:
            self.outcome = Outcome.OK  # whatever becomes of it: nobody asks for what comes after
        alone = decoder.alike and pipeline.stateless and len(responses) == 1 and not piece.final
        tokens = pipeline.tokens
        delta = pipeline.push(piece)
        # A token without text may be an end id of other answers.
        if alone and delta.parts and pipeline.stateless and pipeline.tokens == tokens + 1 and not pipeline.finished:
            described, contents, _ = responses[0]
            if described is not self._described:
                self._described, self._deltas = described, self._job.said.of(described)
            keep(self._deltas, contents, delta)
        return delta

    def _ends_itself(self) -> bool:
        """Whether the engine is about to end it without being told."""
        return self._pipeline.ends_itself

    def _begin(self) -> bool:
        """From here on it is this Triton or none. Whether the answer counts."""
        self.begun = True
        self._leased.lost.remove_done_callback(self._leave)
        self._guard.begun()
        self._pool.first(self._leased)
        return self._job.claim()

    def _leave(self, lost: asyncio.Future[None]) -> None:
        if not lost.cancelled():
            name = self._pool.name
            self._guard.end(UpstreamUnavailable(f"A server of the model '{name}' was lost. Try again shortly."))

    def _tell(self, now: float) -> None:
        self._tell_at = now + TOLD_SECONDS
        self._job.record.count()
        if self._untold:
            self._pool.progress(self._leased, self._untold)
            self._untold = 0


def late(what: str, seconds: float) -> GatewayError:
    """Nothing came in time."""
    return UpstreamTimeout(f"The model server gave no {what} within {seconds:g} seconds. Try again, or ask for less.")
