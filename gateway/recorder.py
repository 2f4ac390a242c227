"""The small recorder of one generation, which writes its metrics. It knows counters and a clock, and no HTTP or Triton.

A token costs a look at the clock and a place in a list: the token path is a dozen microseconds long, and one
``observe`` of prometheus_client takes two of them. What a generation counted goes into the histograms at its end.
"""

from __future__ import annotations

from bisect import bisect_left
from contextvars import ContextVar
from itertools import pairwise
from time import perf_counter
from types import TracebackType

from typing_extensions import Self

from gateway.core.errors import GatewayError
from gateway.core.types import Finish, Usage
from gateway.metrics import GAPS, Metrics

# Of the request that this code works for: where its generations' recorders gather.
recorders: ContextVar[list[Recorder] | None] = ContextVar("recorders", default=None)


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
        self._gaps = [0] * (len(GAPS) + 1)
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
        metrics = self._metrics.of(self.model)
        metrics.in_flight.inc()
        metrics.prompt_tokens.inc(self.prompt_tokens)
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
            self._gaps[bisect_left(GAPS, after - before)] += 1
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
        self._metrics.requests.labels(self.model, self.outcome).inc()
        metrics = self._metrics.of(self.model)
        metrics.in_flight.dec()
        metrics.duration.observe(self.ended - self.started)
        if self.first is not None:
            metrics.first_token.observe(self.first - self.started)
            if self.last > self.first:
                metrics.gaps.add(self._gaps, self.last - self.first)
        if (usage := self.usage) is not None:
            metrics.generated_tokens.inc(usage.completion_tokens)
            metrics.cached_tokens.inc(usage.cached_tokens or 0)
            metrics.reasoning_tokens.inc(usage.reasoning_tokens or 0)
