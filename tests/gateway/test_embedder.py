"""The way through for embeddings, over a transport whose every step a test decides."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from typing_extensions import Self

from gateway.attempts import Attempts
from gateway.core.balance import Balance, Fleet
from gateway.core.embedding_route import EmbeddingRoute
from gateway.core.errors import UpstreamError, UpstreamUnavailable
from gateway.core.schema.embeddings import EmbeddingRequest
from gateway.core.tensors import ModelSignature, Response, Tensor, TensorSpec
from gateway.embedder import BATCHES_AT_ONCE, Embedder, ServedEmbedding
from gateway.metrics import Metrics
from gateway.settings.deadlines import Deadlines
from gateway.triton.discovery import source
from gateway.triton.embedding_backend import EmbeddingBackend
from gateway.triton.member import Looks
from gateway.triton.pool import Pool
from gateway.triton.transport import Call, Take


class ScriptedTransport:
    """Answers each text with its length. ``gate`` holds all answers back, ``failures`` are for certain texts."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: dict[str, UpstreamError] = {}
        self.loaded = True
        self.bindings = 0
        self.running = 0
        self.most_running = 0
        self.ids: list[str] = []
        self.waiting = asyncio.Event()  # as many are running as ever will be
        self.probed = asyncio.Event()

    async def feed(self, call: Call, take: Take) -> None:
        (text,) = call.tensors[0].strings()
        self.ids.append(call.id)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        if self.running == BATCHES_AT_ONCE:
            self.waiting.set()
        try:
            failure = self.failures.get(text.decode())
            if failure is not None:
                raise failure
            await self.gate.wait()
            vector = Tensor("vector", "FP32", (1,), np.array([len(text)], "<f4").tobytes())
            take([Response.of([vector], True)])
        finally:
            self.running -= 1

    async def signature(self, model: str) -> ModelSignature:
        self.bindings += 1
        return ModelSignature(model, (TensorSpec("text", "BYTES", (1,)),), (TensorSpec("vector", "FP32", (1,)),))

    async def ready(self, model: str) -> bool:
        return self.loaded

    async def live(self) -> None: ...

    async def version(self) -> str:
        self.probed.set()  # the last question of a probe
        return "2.51.0"

    async def close(self) -> None: ...


class Served:
    """An embedder on one Triton, which was probed once. ``bindings`` are counted from then on."""

    def __init__(self) -> None:
        self.transport = ScriptedTransport()
        backend = EmbeddingBackend(self.transport, EmbeddingRoute("m", normalize=False))
        self.metrics = Metrics()
        fleet = Fleet(Balance(), random=lambda: 0.5)
        self.pool = Pool("e", source(["here:1"]), lambda _: backend, fleet, looks=Looks(period_seconds=3600))
        attempts = Attempts(Deadlines(), lambda _: None)
        served = ServedEmbedding("e", None, self.pool, 0, None)
        self.embedder = Embedder({"e": served}, self.metrics, attempts, strict=False)

    async def __aenter__(self) -> Self:
        await self.pool.start()
        await asyncio.wait_for(self.transport.probed.wait(), 10)
        self.transport.bindings = 0
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.close()

    async def ask(self, *texts: str) -> list[list[float]]:
        request = EmbeddingRequest.model_validate({"model": "e", "input": texts})
        vectors: list[list[float]] = (await self.embedder.embed(await self.embedder.prepare(request))).tolist()
        return vectors

    def outcomes(self, outcome: str) -> float:
        return (
            self.metrics.registry.get_sample_value("gateway_requests_total", {"model": "e", "outcome": outcome}) or 0.0
        )


TEXTS = ["x" * (number % 13 + 1) for number in range(40)]


async def test_a_few_batches_at_a_time_and_the_order_of_the_inputs() -> None:
    async with Served() as served:
        served.transport.gate.clear()
        asking = asyncio.ensure_future(served.ask(*TEXTS))
        await asyncio.wait_for(served.transport.waiting.wait(), 10)
        served.transport.gate.set()
        assert await asking == [[len(text)] for text in TEXTS]
        assert served.transport.most_running == BATCHES_AT_ONCE
        assert len(set(served.transport.ids)) == len(TEXTS)
        assert (served.transport.bindings, served.outcomes("stop")) == (0, 1)


async def test_the_first_failure_ends_the_rest() -> None:
    async with Served() as served:
        served.transport.gate.clear()
        served.transport.failures["bad"] = UpstreamError("no")
        with pytest.raises(UpstreamError, match="no"):
            await served.ask(*TEXTS[:3], "bad", *TEXTS)
        assert served.transport.running == 0
        assert len(served.transport.ids) <= BATCHES_AT_ONCE
        assert served.outcomes("upstream_error") == 1


async def test_being_cancelled_ends_all() -> None:
    async with Served() as served:
        served.transport.gate.clear()
        asking = asyncio.ensure_future(served.ask(*TEXTS))
        await asyncio.wait_for(served.transport.waiting.wait(), 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert served.transport.running == 0
        assert served.outcomes("cancelled") == 1


async def test_a_triton_that_went_away_is_bound_anew() -> None:
    async with Served() as served:
        served.transport.failures["bad"] = UpstreamUnavailable("away")
        assert await served.ask("ab") == [[2]]
        with pytest.raises(UpstreamUnavailable):
            await served.ask("bad")
        assert await served.ask("abc") == [[3]]
        assert served.transport.bindings == 1


@pytest.mark.parametrize("loaded", [True, False], ids=["a-failure", "not-loaded"])
async def test_a_model_that_is_not_loaded_is_told_from_one_that_failed(loaded: bool) -> None:
    async with Served() as served:
        served.transport.failures["bad"] = UpstreamError("words")
        served.transport.loaded = loaded
        with pytest.raises(UpstreamError) as caught:
            await served.ask("bad")
        assert isinstance(caught.value, UpstreamUnavailable) is not loaded
        assert await served.ask("ok") == [[2]]
        assert served.transport.bindings == (0 if loaded else 1)
