"""The service behind every endpoint: a checked request becomes generations, generations become deltas.

It knows the steps and their order. It must not know HTTP: endpoints bring requests in and carry deltas out, and whether
a client streams makes no difference here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any, TypeVar, get_args

from gateway.admission import Admission
from gateway.attempt import Job, Take
from gateway.attempts import Attempts
from gateway.core import capabilities
from gateway.core.balance import Work
from gateway.core.caller import NOBODY, Origin
from gateway.core.errors import ModelNotFound, UnsupportedField, UpstreamError
from gateway.core.pipeline import Pipeline
from gateway.core.prompt import build_chat, build_completion, ignored_fields, render
from gateway.core.said import Said
from gateway.core.sampling import ModelLimits
from gateway.core.schema.chat import ChatRequest, SamplingFields
from gateway.core.schema.completions import CompletionRequest
from gateway.core.types import Adapter, Generate, GuideKind, Prompt, Tokenizer
from gateway.fan_out import together
from gateway.metrics import Metrics
from gateway.offload import offloaded
from gateway.recorder import Recorder
from gateway.triton.backend import Backend
from gateway.triton.member import any_bound
from gateway.triton.pool import Pool

T = TypeVar("T")

ALL_GUIDES = frozenset(get_args(GuideKind))
CHARACTERS_PER_TOKEN = 16  # of a request, more than any usual prompt has: for a guess that is not too high


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that clients can name. ``created``: seconds since the epoch, for the list of models. ``parent``: the
    model whose engine serves it, where it is a LoRA."""

    limits: ModelLimits
    tokenizer: Tokenizer
    pool: Pool[Backend]
    created: int
    parent: str | None = None
    said: Said = field(default_factory=Said, compare=False, repr=False)

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
    served: ServedModel  # as it was when the request was checked: settings may change since
    generates: tuple[Generate, ...]
    origin: Origin = NOBODY
    ignored: tuple[str, ...] = field(default=())

    @property
    def prompt_tokens(self) -> int:
        """Of the first prompt."""
        return len(self.generates[0].prompt.ids)


def _unheard(number: float) -> None:
    """Nobody wants to know how long an answer waited, or how long it is."""


class Service:
    """All served models, and the way through for each request."""

    def __init__(
        self,
        models: Mapping[str, ServedModel],
        metrics: Metrics,
        attempts: Attempts,
        admission: Admission,
        *,
        strict: bool = False,
    ) -> None:
        """``strict``: fields that nobody knows are refused, not ignored."""
        self.models = models
        self._metrics = metrics
        self._attempts = attempts
        self._admission = admission
        self._strict = strict

    def model(self, name: str) -> ServedModel:
        """The model of that name, or ModelNotFound."""
        model = self.models.get(name)
        if model is None:
            served = ", ".join(f"'{served}'" for served in self.models)
            raise ModelNotFound(f"The model {name[:256]!r} does not exist. Served here: {served}.", param="model")
        return model

    async def chat(
        self,
        request: ChatRequest,
        *,
        size: int,
        origin: Origin,
        prefix: str = "chatcmpl-",
        ignored: tuple[str, ...] = (),
    ) -> Prepared:
        """A chat, ready to run: prompt rendered and tokenized, limits checked. ``size``: characters, about.
        ``ignored``: fields that got lost where another endpoint's request became this chat."""
        return await self._prepare(request, build_chat, size, origin, prefix, ignored)

    async def completion(self, request: CompletionRequest, *, size: int, origin: Origin) -> Prepared:
        """A text completion, ready to run."""
        return await self._prepare(request, build_completion, size, origin, "cmpl-")

    async def rendered(self, request: ChatRequest, *, size: int) -> Prompt:
        """The prompt of a chat, which no engine sees."""
        model = self.model(request.model)
        return await offloaded(lambda: render(request, model.limits, model.tokenizer), size)

    async def capabilities(self, model: ServedModel) -> dict[str, Any]:
        """What the model can do, as far as its Triton is there to say."""
        try:
            bound = await any_bound(model.name, model.pool.backends)
        except UpstreamError:
            bound = None
        return capabilities.of_model(bound, model.tokenizer)

    async def _prepare(
        self,
        request: T,
        build: Callable[..., tuple[Generate, ...]],
        size: int,
        origin: Origin,
        prefix: str,
        ignored: tuple[str, ...] = (),
    ) -> Prepared:
        assert isinstance(request, SamplingFields)
        model = self.model(request.model)
        # Where the queue is full already, no work is spent on saying so.
        self._admission.check(model.pool.name, origin.caller, size // CHARACTERS_PER_TOKEN)
        ignored = (*ignored, *ignored_fields(request, model.tokenizer))
        if ignored and self._strict:
            raise UnsupportedField(f"'{ignored[0]}' is unknown, and this server is strict.", param=ignored[0])
        id = f"{prefix}{token_hex(16)}"  # also Triton's request id, which must be unique among those in flight
        seed = random.getrandbits(63)

        def built(guides: frozenset[str]) -> tuple[Generate, ...]:
            limits = replace(model.limits, guides=guides)
            return build(request, limits, model.tokenizer, id=id, seed=seed)

        try:
            bound = await any_bound(model.name, model.pool.backends)
        except UpstreamError:
            # A request that is wrong whatever the model can do is told so, and not to try again.
            await offloaded(lambda: built(ALL_GUIDES), size)
            raise
        generates = await offloaded(lambda: built(bound.guides), size)
        for generate in generates:  # what the model cannot do is said here, before anything runs
            bound.check(generate, model.tokenizer)
        return Prepared(id, model.name, model, generates, origin, ignored)

    async def run(
        self,
        prepared: Prepared,
        take: Take,
        waited: Callable[[float], None] = _unheard,
        generated: Callable[[int], None] = _unheard,
    ) -> None:
        """Hands the deltas of all answers to ``take`` as they become certain. Being cancelled, or an error of ``take``,
        cancels what runs in Triton. ``waited`` is told the seconds that each answer spent in the queue, before its
        first delta; ``generated`` the tokens that it had at its end, however that came."""
        served, origin = prepared.served, prepared.origin
        runs = [self._one(served, generate, origin, take, waited, generated) for generate in prepared.generates]
        await (runs[0] if len(runs) == 1 else together(runs))

    async def _one(
        self,
        model: ServedModel,
        generate: Generate,
        origin: Origin,
        take: Take,
        waited: Callable[[float], None],
        generated: Callable[[int], None],
    ) -> None:
        pool, tokens = model.pool, len(generate.prompt.ids)
        with Recorder(self._metrics, model.name, tokens) as record, pool.used():
            record.prompt = generate.prompt.text
            pipeline = Pipeline(generate, model.tokenizer)
            work = Work(generate.prompt.ids, generate.max_tokens, origin.session)
            job = Job(work, generate, model.tokenizer, pipeline, record, take, model.said)
            try:
                async with self._admission.slot(pool.name, origin.caller, tokens, pool.room) as seconds:
                    record.admitted(seconds)
                    waited(seconds)
                    await self._attempts.feed(pool, job)
            finally:
                generated(pipeline.generated)
            if not pipeline.finished:
                raise UpstreamError("The engine's stream ended before the answer did.")


def with_adapters(model: ServedModel, adapters: Sequence[Adapter]) -> dict[str, ServedModel]:
    """The model and its LoRAs by their names."""
    return {model.name: model} | {adapter.name: model.adapted(adapter) for adapter in adapters}
