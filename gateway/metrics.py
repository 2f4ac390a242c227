"""Prometheus metrics with few, bounded labels.

It knows counters. It must not know HTTP or Triton, nor when what happens. Every label value comes from settings or from
a fixed set, never from a client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.board import Board
from gateway.core.balance import Outcome

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_DURATIONS = (*_SECONDS, 300.0, 600.0, 1800.0)
_WAITS = (0.0, *_SECONDS)  # who did not wait has a bucket of its own
GAPS = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)
_LAGS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

ERRORS = (Outcome.REFUSED, Outcome.FAILED, Outcome.SILENT)  # kinds of errors of a Triton
NOT_ADMITTED = ("full", "timeout", "left", "streams")  # left by its client, too many streams of one key


class Metrics:
    """All metrics of a gateway, in a registry of their own."""

    def __init__(self, shared: str | None = None, worker: int = 0) -> None:
        """``shared``: the folder in which each of several processes keeps its values, to be given out together.
        ``worker``: the number of this one."""
        self.registry = CollectorRegistry()
        self.board = Board(shared, worker)
        self.registry.register(self.board)
        self._shared = shared
        self._of: dict[str, OfModel] = {}
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
            buckets=_DURATIONS,
            registry=self.registry,
        )
        self.gaps = Gaps(
            "gateway_inter_token_seconds",
            "Between what a client gets of an answer and what it gets next: mostly a token each.",
            model,
            buckets=GAPS,
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
        # kinds: refused (never begun there), failed (broken there), silent (a deadline passed)
        self.upstream_errors = Counter(
            "gateway_upstream_errors", "Errors of Tritons, retried or not.", ["model", "kind"], registry=self.registry
        )
        self.queue_requests = self._gauge("gateway_queue_requests", "Generations waiting now.")
        self.queue_tokens = self._gauge("gateway_queue_tokens", "Tokens of the prompts that wait now.")
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
        self.prompt_tokens = self._tokens("gateway_prompt_tokens", "Tokens of prompts.")
        self.cached_tokens = self._tokens("gateway_cached_tokens", "Tokens of prompts that were in the KV cache.")
        self.generated_tokens = self._tokens("gateway_generated_tokens", "Tokens generated.")
        self.reasoning_tokens = self._tokens("gateway_reasoning_tokens", "Tokens generated that were thinking.")
        # paths: as routes declare them, so few; "other" where there is no such route
        self.responses = Counter(
            "gateway_http_responses",
            "Answers of every kind by route; status 499: the client left before.",
            ["path", "status"],
            registry=self.registry,
        )
        self.loop_lag = Histogram(
            "gateway_event_loop_lag_seconds",
            "How late the event loop calls what is due.",
            buckets=_LAGS,
            registry=self.registry,
        )
        # Files of values are named by a worker's number: this counts on in whoever replaces one.
        self.worker_starts = Counter(
            "gateway_worker_starts",
            "Serving processes that began, replaced ones included.",
            registry=self.registry,
        )

    def expect(self, models: Iterable[str]) -> None:
        """These are at 0 from the start: a counter that begins at 1 hides its first event from every rate."""
        by_model: tuple[MetricWrapperBase, ...] = (
            self.in_flight, self.queue_requests, self.queue_tokens, self.failovers, self.first_token, self.gaps,
            self.duration, self.queue_seconds, self.prompt_tokens, self.cached_tokens, self.generated_tokens,
            self.reasoning_tokens,
        )  # fmt: skip
        for model in models:
            for metric in by_model:
                metric.labels(model)
            for kind in ERRORS:
                self.upstream_errors.labels(model, kind.value)
            for reason in NOT_ADMITTED:
                self.not_admitted.labels(model, reason)

    def exposition(self) -> bytes:
        """What a scraper reads: of all processes, whichever is asked."""
        if self._shared is None:
            return generate_latest(self.registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged, path=self._shared)  # type: ignore[no-untyped-call]
        merged.register(self.board)
        return generate_latest(merged)

    def _gauge(self, name: str, what: str) -> Gauge:
        """By model; processes add up, those alive."""
        return Gauge(name, what, ["model"], registry=self.registry, multiprocess_mode="livesum")

    def _tokens(self, name: str, what: str) -> Counter:
        return Counter(name, what, ["model"], registry=self.registry)

    def of(self, model: str) -> OfModel:
        """Those of the model. Kept, because finding eight by their labels takes longer than adding to them."""
        found = self._of.get(model)
        if found is None:
            found = self._of[model] = OfModel(
                in_flight=self.in_flight.labels(model),
                duration=self.duration.labels(model),
                first_token=self.first_token.labels(model),
                gaps=self.gaps.labels(model),
                prompt_tokens=self.prompt_tokens.labels(model),
                cached_tokens=self.cached_tokens.labels(model),
                generated_tokens=self.generated_tokens.labels(model),
                reasoning_tokens=self.reasoning_tokens.labels(model),
            )
        return found


class Gaps(Histogram):
    """A histogram that takes many observations at once, counted elsewhere."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """``counts``: how many fell into each bucket, the last one's bound being infinity. ``total``: their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class OfModel(NamedTuple):
    """Metrics with the label of one model."""

    in_flight: Gauge
    duration: Histogram
    first_token: Histogram
    gaps: Gaps
    prompt_tokens: Counter
    cached_tokens: Counter
    generated_tokens: Counter
    reasoning_tokens: Counter
