"""Prometheus metrics with few, bounded labels, and the small recorder of one request that writes them.

It knows counters and a clock. It must not know HTTP or Triton. Every label value comes from settings or from a fixed
set, never from a client.
"""

from __future__ import annotations

import time
from types import TracebackType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from typing_extensions import Self

from gateway.core.errors import GatewayError
from gateway.core.types import Delta

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_WAITS = (0.0, *_SECONDS)  # who did not wait has a bucket of its own


class Metrics:
    """All metrics of a gateway, in a registry of their own."""

    def __init__(self, shared: str | None = None) -> None:
        """``shared``: the folder in which each of several processes keeps its values, to be given out together."""
        self.registry = CollectorRegistry()
        self._shared = shared
        model = ["model"]
        self.requests = Counter(
            "gateway_requests", "Generations by outcome.", ["model", "outcome"], registry=self.registry
        )
        self.in_flight = self._gauge(
            "gateway_requests_in_flight", "Generations under way now, those that wait included."
        )
        self.first_token = Histogram(
            "gateway_time_to_first_token_seconds",
            "From the start of the generation to its first text.",
            model,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.duration = Histogram(
            "gateway_request_duration_seconds",
            "Of generations.",
            model,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "gateway_queue_seconds",
            "In the queue, of generations that were let in.",
            model,
            buckets=_WAITS,
            registry=self.registry,
        )
        self.failovers = Counter(
            "gateway_failovers",
            "Requests sent to another Triton before their first token.",
            model,
            registry=self.registry,
        )
        self.queue_requests = self._gauge("gateway_queue_requests", "Generations waiting now.")
        self.queue_tokens = self._gauge("gateway_queue_tokens", "Tokens of the prompts that wait now.")
        # reasons: full, timeout, left (the client), streams (too many of one key)
        self.not_admitted = Counter(
            "gateway_not_admitted", "Generations that were not let in.", ["model", "reason"], registry=self.registry
        )
        # reasons: codes of 401, 403 and 503; model, requests, tokens (of the key)
        self.refused = Counter(
            "gateway_refused",
            "Requests that their key, or the lack of one, kept out.",
            ["reason"],
            registry=self.registry,
        )
        self.prompt_tokens = Counter("gateway_prompt_tokens", "Tokens of prompts.", model, registry=self.registry)
        self.generated_tokens = Counter("gateway_generated_tokens", "Tokens generated.", model, registry=self.registry)

    def exposition(self) -> bytes:
        """What a scraper reads: of all processes, whichever is asked."""
        if self._shared is None:
            return generate_latest(self.registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged, path=self._shared)  # type: ignore[no-untyped-call]
        return generate_latest(merged)

    def _gauge(self, name: str, what: str) -> Gauge:
        """By model; processes add up, those alive."""
        return Gauge(name, what, ["model"], registry=self.registry, multiprocess_mode="livesum")

    def recorder(self, model: str, prompt_tokens: int) -> Recorder:
        """A recorder for one generation of a configured model."""
        return Recorder(self, model, prompt_tokens)


class Recorder:
    """One generation, as a context: it is in flight inside, and has an outcome when left.

    Outcomes: ``stop``, ``length`` and ``tool_calls`` as they finished, ``cancelled``, or the error's code.
    """

    def __init__(self, metrics: Metrics, model: str, prompt_tokens: int) -> None:
        self._metrics = metrics
        self._model = model
        self._prompt_tokens = prompt_tokens
        self._started = 0.0
        self._first = False
        self._outcome: str | None = None

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self._metrics.in_flight.labels(self._model).inc()
        self._metrics.prompt_tokens.labels(self._model).inc(self._prompt_tokens)
        return self

    def delta(self, delta: Delta) -> None:
        """Notes the first text and the finish."""
        if not self._first and delta.parts:
            self._first = True
            self._metrics.first_token.labels(self._model).observe(time.perf_counter() - self._started)
        if delta.finish is not None:
            self._outcome = delta.finish.reason
            self._metrics.generated_tokens.labels(self._model).inc(delta.finish.usage.completion_tokens)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        outcome = self._outcome
        if outcome is None:
            outcome = (error.code or error.type) if isinstance(error, GatewayError) else "cancelled"
        self._metrics.in_flight.labels(self._model).dec()
        self._metrics.requests.labels(self._model, outcome).inc()
        self._metrics.duration.labels(self._model).observe(time.perf_counter() - self._started)
