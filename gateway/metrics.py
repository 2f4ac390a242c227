"""Prometheus metrics with few, bounded labels, and the small recorder of one request that writes them.

It knows counters and a clock. It must not know HTTP or Triton. Every label value comes from settings or from a fixed
set, never from a client.

A token costs a look at the clock and a place in a list: the token path is a dozen microseconds long, and one
``observe`` of prometheus_client takes two of them. What a generation counted goes into the histograms at its end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from itertools import pairwise
from time import perf_counter
from types import TracebackType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector
from typing_extensions import Self

from gateway.board import Board
from gateway.core.balance import Outcome
from gateway.core.errors import GatewayError
from gateway.core.types import Finish, Usage

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_DURATIONS = (*_SECONDS, 300.0, 600.0, 1800.0)
_WAITS = (0.0, *_SECONDS)  # who did not wait has a bucket of its own
_GAPS = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)
_LAGS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

ERRORS = (Outcome.REFUSED, Outcome.FAILED, Outcome.SILENT)  # kinds of errors of a Triton
NOT_ADMITTED = ("full", "timeout", "left", "streams")  # left by its client, too many streams of one key

# Of the request that this code works for: where its generations' recorders gather.
recorders: ContextVar[list[Recorder] | None] = ContextVar("recorders", default=None)


class Metrics:
    """All metrics of a gateway, in a registry of their own."""

    def __init__(self, shared: str | None = None, worker: int = 0) -> None:
        """``shared``: the folder in which each of several processes keeps its values, to be given out together.
        ``worker``: the number of this one."""
        self.registry = CollectorRegistry()
        self.board = Board(shared, worker)
        self.registry.register(self.board)
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
            buckets=_DURATIONS,
            registry=self.registry,
        )
        self.gaps = Gaps(
            "gateway_inter_token_seconds",
            "Between what a client gets of an answer and what it gets next: mostly a token each.",
            model,
            buckets=_GAPS,
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

    def recorder(self, model: str, prompt_tokens: int) -> Recorder:
        """A recorder for one generation of a configured model."""
        return Recorder(self, model, prompt_tokens)


class Gaps(Histogram):
    """A histogram that takes many observations at once, counted elsewhere."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """``counts``: how many fell into each bucket, the last one's bound being infinity. ``total``: their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class Recorder:
    """One generation, as a context: it is in flight inside, and has an outcome when left.

    Outcomes: ``stop``, ``length`` and ``tool_calls`` as they finished, ``cancelled``, or the error's code. Moments are
    those of ``time.perf_counter``. What it knows afterwards is for the log and for traces.
    """

    __slots__ = (
        "_gaps",
        "_metrics",
        "ended",
        "endpoint",
        "finish",
        "first",
        "last",
        "model",
        "moments",
        "outcome",
        "prompt",
        "prompt_tokens",
        "queue_seconds",
        "sent",
        "started",
        "usage",
    )  # fmt: skip

    def __init__(self, metrics: Metrics, model: str, prompt_tokens: int) -> None:
        self._metrics = metrics
        self._gaps = [0] * (len(_GAPS) + 1)
        self.model = model
        self.prompt: str | None = None  # its text
        self.prompt_tokens = prompt_tokens
        self.started = self.ended = 0.0
        self.queue_seconds: float | None = None  # None: never let in
        self.sent: float | None = None  # when the last Triton to be tried got it
        self.endpoint: str | None = None  # that Triton
        self.first: float | None = None  # when the first text came
        self.last = 0.0  # and the last
        self.moments: list[float] = []  # when something came since, from the first text on: written by who gets it
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.outcome = "cancelled"

    def __enter__(self) -> Self:
        self.started = perf_counter()
        self._metrics.in_flight.labels(self.model).inc()
        self._metrics.prompt_tokens.labels(self.model).inc(self.prompt_tokens)
        if (gathered := recorders.get()) is not None:
            gathered.append(self)
        return self

    def admitted(self, seconds: float) -> None:
        """It left the queue after so long."""
        self.queue_seconds = seconds

    def on(self, endpoint: str) -> None:
        """It is sent to this Triton now."""
        self.endpoint, self.sent = endpoint, perf_counter()

    def count(self) -> None:
        """Takes in ``moments``, but for the last, from which the next gap is measured. To be called now and then."""
        moments = self.moments
        if not moments:
            return
        if self.first is None:
            self.first = moments[0]
        for before, after in pairwise(moments):
            self._gaps[bisect_left(_GAPS, after - before)] += 1
        self.last = moments[-1]
        del moments[:-1]

    def finished(self, finish: Finish) -> None:
        self.finish, self.usage = finish.reason, finish.usage

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.count()
        self.ended = perf_counter()
        if self.finish is not None:
            self.outcome = self.finish
        elif isinstance(error, GatewayError):
            self.outcome = error.code or error.type
        metrics, model = self._metrics, self.model
        metrics.in_flight.labels(model).dec()
        metrics.requests.labels(model, self.outcome).inc()
        metrics.duration.labels(model).observe(self.ended - self.started)
        if self.first is not None:
            metrics.first_token.labels(model).observe(self.first - self.started)
            if self.last > self.first:
                metrics.gaps.labels(model).add(self._gaps, self.last - self.first)
        if (usage := self.usage) is not None:
            metrics.generated_tokens.labels(model).inc(usage.completion_tokens)
            metrics.cached_tokens.labels(model).inc(usage.cached_tokens or 0)
            metrics.reasoning_tokens.labels(model).inc(usage.reasoning_tokens or 0)
