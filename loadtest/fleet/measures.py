"""What runs are compared by: figures of one run, and their medians over seeds.

It knows records and arithmetic; it must not know how they came about or are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from statistics import mean, median

from loadtest.fleet.simulation import Record


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the requests asked after the warm-up and answered before the end."""

    requests: float
    hit_rate: float  # prompt tokens that were cached, of all
    queue_p99: float  # seconds until its prefill began
    first_p50: float  # seconds until the first token
    first_p99: float
    gap_p50_ms: float  # between tokens
    gap_p99_ms: float
    imbalance: float  # standard deviation of requests per Triton by their mean, a mean over the seconds
    slow_share: float  # of requests served by slower Tritons
    tried_again: float  # failed before the first token and sent elsewhere
    lost: float  # never started
    broken: float  # after their first token


def figures(record: Record) -> Figures:
    return Figures(
        requests=record.requests,
        hit_rate=record.cached_tokens / record.prompt_tokens if record.prompt_tokens else 0.0,
        queue_p99=quantile(record.queued, 0.99),
        first_p50=quantile(record.first, 0.5),
        first_p99=quantile(record.first, 0.99),
        gap_p50_ms=1000 * quantile(record.gaps, 0.5),
        gap_p99_ms=1000 * quantile(record.gaps, 0.99),
        imbalance=mean(record.spread) if record.spread else 0.0,
        slow_share=record.slow_share,
        tried_again=record.tried_again,
        lost=record.lost,
        broken=record.broken,
    )


def medians(runs: Sequence[Figures]) -> Figures:
    return Figures(*(median(column) for column in zip(*map(astuple, runs), strict=True)))


def quantile(values: Sequence[float], share: float) -> float:
    """Of the values as they are, none in between; 0 of none."""
    return sorted(values)[int(share * (len(values) - 1))] if values else 0.0
