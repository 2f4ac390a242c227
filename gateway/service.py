"""The service behind every endpoint: a checked request becomes a generation, a generation becomes deltas.

It knows the steps and their order. It must not know HTTP: endpoints bring requests in and carry deltas out, and whether
a client streams makes no difference here.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from gateway.core.errors import ModelNotFound, UpstreamError
from gateway.core.pipeline import Pipeline
from gateway.core.prompt import ModelLimits, build
from gateway.core.schema import ChatRequest
from gateway.core.types import Delta, Generate, Tokenizer
from gateway.metrics import Metrics
from gateway.triton.backend import Backend


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that clients can name. ``created``: seconds since the epoch, for the list of models."""

    limits: ModelLimits
    tokenizer: Tokenizer
    backend: Backend
    created: int

    @property
    def name(self) -> str:
        return self.limits.name


class Service:
    """All served models, and the way through for each request."""

    def __init__(self, models: Mapping[str, ServedModel], metrics: Metrics) -> None:
        self.models = models
        self._metrics = metrics

    def model(self, name: str) -> ServedModel:
        """The model of that name, or ModelNotFound."""
        model = self.models.get(name)
        if model is None:
            served = ", ".join(f"'{served}'" for served in self.models)
            raise ModelNotFound(f"The model {name!r} does not exist. Served here: {served}.", param="model")
        return model

    def prepare(self, request: ChatRequest) -> Generate:
        """The generation a chat request asks for: prompt rendered and tokenized, limits checked."""
        model = self.model(request.model)
        return build(
            request,
            model.limits,
            model.tokenizer,
            id=f"chatcmpl-{uuid.uuid4().hex}",  # also Triton's request id, which must be unique among those in flight
            seed=random.getrandbits(63),
        )

    async def stream(self, generate: Generate) -> AsyncGenerator[Delta, None]:
        """Deltas as they become certain; the last has the finish. Closing the generator cancels in Triton."""
        model = self.model(generate.model)
        with self._metrics.recorder(model.name, len(generate.prompt.ids)) as record:
            bound = await model.backend.bound()
            tensors = bound.encode(generate, model.tokenizer)
            decoder = bound.decoder(generate, model.tokenizer)
            pipeline = Pipeline(generate, model.tokenizer)
            async with aclosing(model.backend.stream(bound, generate.id, tensors)) as responses:
                async for response in responses:
                    delta = pipeline.push(decoder.push(response.outputs, response.final))
                    record.delta(delta)
                    if delta.text or delta.finish:
                        yield delta
                    if pipeline.finished:
                        return
            raise UpstreamError("The engine's stream ended before the answer did.")
