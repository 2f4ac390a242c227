"""The service behind /v1/embeddings: a checked request becomes batches, and their replies one list of vectors.

It knows the steps and their order. It must not know HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from gateway.attempts import Attempts
from gateway.core.balance import Work
from gateway.core.embedding import Embed, EmbeddingTokenizer, build
from gateway.core.errors import ModelNotFound, UnsupportedField, UpstreamError
from gateway.core.schema.base import ignored
from gateway.core.schema.embeddings import EmbeddingRequest
from gateway.core.types import Finish, Usage
from gateway.metrics import Metrics
from gateway.recorder import Recorder
from gateway.triton.member import any_bound
from gateway.triton.pool import Pool

if TYPE_CHECKING:  # these load numpy
    from gateway.core.pooling import Vectors
    from gateway.triton.embedding_backend import EmbeddingBackend

# Of one client's request. Triton's own queue and batcher do the rest, and other clients get their turn.
BATCHES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ServedEmbedding:
    """An embedding model that clients can name. ``created``: seconds since the epoch, for the list of models."""

    name: str
    tokenizer: EmbeddingTokenizer | None
    pool: Pool[EmbeddingBackend]
    created: int
    max_model_len: int | None  # None: not known here


class Embedder:
    """All embedding models, and the way through for each request."""

    def __init__(
        self, models: Mapping[str, ServedEmbedding], metrics: Metrics, attempts: Attempts, *, strict: bool
    ) -> None:
        """``strict``: fields that nobody knows are refused."""
        self.models = models
        self._metrics = metrics
        self._attempts = attempts
        self._strict = strict

    def model(self, name: str) -> ServedEmbedding:
        """The model of that name, or ModelNotFound."""
        model = self.models.get(name)
        if model is None:
            served = ", ".join(f"'{served}'" for served in self.models) or "none"
            raise ModelNotFound(f"There is no embedding model {name[:256]!r}. Served here: {served}.", param="model")
        return model

    async def capabilities(self, model: ServedEmbedding) -> dict[str, Any]:
        """What the model can do, as far as its Triton is there to say."""
        try:
            bound = await any_bound(model.name, model.pool.backends)
        except UpstreamError:
            return {"embeddings": True}
        return {
            "embeddings": True,
            "triton_model": bound.model,
            "token_ids": not bound.takes_text,
            "dimensions": bound.size,
            "other_dimensions": bound.other_sizes,
        }

    async def prepare(self, request: EmbeddingRequest) -> Embed:
        """What a request asks for: inputs tokenized, limits checked."""
        model = self.model(request.model)
        if self._strict and (unknown := ignored(request)):
            raise UnsupportedField(f"'{unknown[0]}' is unknown, and this server is strict.", param=unknown[0])
        # In a thread: a few milliseconds for one client would stall every stream of the others.
        return await asyncio.to_thread(
            build, request, model.tokenizer, id=f"embd-{token_hex(16)}", max_model_len=model.max_model_len
        )

    async def embed(self, embed: Embed) -> Vectors:
        """One vector for each input. Being cancelled cancels all that runs in Triton."""
        model = self.model(embed.model)
        with Recorder(self._metrics, model.name, embed.tokens or 0) as record, model.pool.used():
            bound = await any_bound(model.name, model.pool.backends)
            bound.check(embed.dimensions)
            batches = bound.batches(embed.inputs)
            parts = await self._ask(model, embed, batches)
            vectors = await asyncio.to_thread(bound.assemble, parts, batches, embed.dimensions)
            record.finished(Finish("stop", Usage(embed.tokens or 0, 0)))
        return vectors

    async def _ask(self, model: ServedEmbedding, embed: Embed, batches: Sequence[Sequence[int]]) -> list[Vectors]:
        """The vectors of each batch; a few batches at a time. The first that fails ends the others."""
        parts: dict[int, Vectors] = {}
        waiting = iter(enumerate(batches))

        async def work() -> None:
            for number, indexes in waiting:
                inputs = [embed.inputs[index] for index in indexes]
                cost = Work((), sum(len(each.ids or ()) for each in inputs))

                async def ask(backend: EmbeddingBackend, inputs: Any = inputs, number: int = number) -> Vectors:
                    bound = await backend.bound()
                    tensors = bound.encode(inputs, model.tokenizer)
                    return bound.decode(await backend.ask(bound, f"{embed.id}-{number}", tensors), inputs)

                parts[number] = await self._attempts.whole(model.pool, cost, ask)

        workers = [asyncio.ensure_future(work()) for _ in range(min(BATCHES_AT_ONCE, len(batches)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [parts[number] for number in range(len(batches))]
