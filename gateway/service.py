"""The service behind every endpoint: a checked request becomes generations, generations become deltas.

It knows the steps and their order. It must not know HTTP: endpoints bring requests in and carry deltas out, and whether
a client streams makes no difference here.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gateway.core import capabilities
from gateway.core.errors import ModelNotFound, UnsupportedField, UpstreamError
from gateway.core.pipeline import Pipeline
from gateway.core.prompt import build_chat, build_completion, ignored_fields, render
from gateway.core.sampling import ModelLimits
from gateway.core.schema.chat import ChatRequest, SamplingFields
from gateway.core.schema.completions import CompletionRequest
from gateway.core.types import Adapter, Delta, Generate, Prompt, Tokenizer
from gateway.fan_out import merged
from gateway.metrics import Metrics
from gateway.triton.backend import Backend

T = TypeVar("T")

# Text past this is tokenized in a thread: tens of milliseconds for one client would stall every other stream.
LONG_TEXT = 16 * 1024


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that clients can name. ``created``: seconds since the epoch, for the list of models. ``parent``: the
    model whose engine serves it, where it is a LoRA."""

    limits: ModelLimits
    tokenizer: Tokenizer
    backend: Backend
    created: int
    parent: str | None = None

    @property
    def name(self) -> str:
        return self.limits.name

    def adapted(self, adapter: Adapter) -> ServedModel:
        """The same engine under the name of a LoRA."""
        return replace(self, limits=replace(self.limits, name=adapter.name, adapter=adapter), parent=self.name)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready to run. ``id`` is the client's to see; ``ignored`` are fields that nobody knows."""

    id: str
    model: str
    generates: tuple[Generate, ...]
    ignored: tuple[str, ...] = field(default=())

    @property
    def prompt_tokens(self) -> int:
        """Of the first prompt."""
        return len(self.generates[0].prompt.ids)


class Service:
    """All served models, and the way through for each request."""

    def __init__(self, models: Mapping[str, ServedModel], metrics: Metrics, *, strict: bool = False) -> None:
        """``strict``: fields that nobody knows are refused, not ignored."""
        self.models = models
        self._metrics = metrics
        self._strict = strict

    def model(self, name: str) -> ServedModel:
        """The model of that name, or ModelNotFound."""
        model = self.models.get(name)
        if model is None:
            served = ", ".join(f"'{served}'" for served in self.models)
            raise ModelNotFound(f"The model {name[:256]!r} does not exist. Served here: {served}.", param="model")
        return model

    async def chat(
        self, request: ChatRequest, *, size: int, prefix: str = "chatcmpl-", ignored: tuple[str, ...] = ()
    ) -> Prepared:
        """A chat, ready to run: prompt rendered and tokenized, limits checked. ``size``: characters, about.
        ``ignored``: fields that got lost where another endpoint's request became this chat."""
        return await self._prepare(request, build_chat, size, prefix, ignored)

    async def completion(self, request: CompletionRequest, *, size: int) -> Prepared:
        """A text completion, ready to run."""
        return await self._prepare(request, build_completion, size, "cmpl-")

    async def rendered(self, request: ChatRequest, *, size: int) -> Prompt:
        """The prompt of a chat, which no engine sees."""
        model = self.model(request.model)
        return await _worked(lambda: render(request, model.limits, model.tokenizer), size)

    async def capabilities(self, model: ServedModel) -> dict[str, Any]:
        """What the model can do, as far as its Triton is there to say."""
        try:
            bound = await model.backend.bound()
        except UpstreamError:
            bound = None
        return capabilities.of_model(bound, model.tokenizer)

    async def _prepare(
        self,
        request: T,
        build: Callable[..., tuple[Generate, ...]],
        size: int,
        prefix: str,
        ignored: tuple[str, ...] = (),
    ) -> Prepared:
        assert isinstance(request, SamplingFields)
        model = self.model(request.model)
        ignored = (*ignored, *ignored_fields(request, model.tokenizer))
        if ignored and self._strict:
            raise UnsupportedField(f"'{ignored[0]}' is unknown, and this server is strict.", param=ignored[0])
        bound = await model.backend.bound()
        limits = replace(model.limits, guides=bound.guides)
        id = f"{prefix}{uuid.uuid4().hex}"  # also Triton's request id, which must be unique among those in flight
        seed = random.getrandbits(63)
        generates = await _worked(lambda: build(request, limits, model.tokenizer, id=id, seed=seed), size)
        for generate in generates:  # what the model cannot do is said before anything runs
            bound.encode(generate, model.tokenizer)
        return Prepared(id, model.name, generates, ignored)

    def stream(self, prepared: Prepared) -> AsyncGenerator[Delta, None]:
        """Deltas of all answers as they become certain. Closing the generator cancels what runs in Triton."""
        generates = prepared.generates
        return self._one(generates[0]) if len(generates) == 1 else merged([self._one(g) for g in generates])

    async def _one(self, generate: Generate) -> AsyncGenerator[Delta, None]:
        model = self.model(generate.model)
        with self._metrics.recorder(model.name, len(generate.prompt.ids)) as record:
            bound = await model.backend.bound()
            tensors = bound.encode(generate, model.tokenizer)
            decoder = bound.decoder(generate, model.tokenizer)
            pipeline = Pipeline(generate, model.tokenizer)
            wanted = bound.wanted(generate)
            async with aclosing(model.backend.stream(bound, generate.id, tensors, wanted)) as responses:
                async for response in responses:
                    delta = pipeline.push(decoder.push(response.outputs, response.final))
                    record.delta(delta)
                    if delta.parts or delta.finish or delta.logprobs:
                        yield delta
                    if pipeline.finished:
                        return
            raise UpstreamError("The engine's stream ended before the answer did.")


async def _worked(work: Callable[[], T], size: int) -> T:
    return await asyncio.to_thread(work) if size > LONG_TEXT else work()


def with_adapters(model: ServedModel, adapters: Sequence[Adapter]) -> dict[str, ServedModel]:
    """The model and its LoRAs by their names."""
    return {model.name: model} | {adapter.name: model.adapted(adapter) for adapter in adapters}
