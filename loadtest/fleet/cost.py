"""What balancing costs: microseconds of processor time per request, by fleet and prompt. It measures ``Fleet`` only."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from statistics import median

from gateway.core.balance import Balance, Endpoint, Fleet, Outcome, Work

_ROUNDS = 5


def costs(tritons: Sequence[int], prompts: Sequence[int], *, requests: int = 400) -> str:
    """A table of medians over rounds. A request is a lease, a first token, eight notices of progress and a release."""
    lines = ["| Tritons | prompt tokens | lease, µs | the rest of a request, µs |", "|---|---|---|---|"]
    for count in tritons:
        for tokens in prompts:
            leased, rest = zip(*(_round(count, tokens, requests, seed) for seed in range(_ROUNDS)), strict=True)
            lines.append(f"| {count:,} | {tokens:,} | {median(leased):.0f} | {median(rest):.0f} |")
    return "\n".join(lines)


def _round(count: int, tokens: int, requests: int, seed: int) -> tuple[float, float]:
    rng = random.Random(seed)
    fleet = Fleet(Balance(), random=rng.random)
    fleet.update([Endpoint(f"10.0.{n // 250}.{n % 250}:8001") for n in range(count)], 0.0)
    works = [Work([rng.randrange(150_000) for _ in range(tokens)], 256) for _ in range(requests)]
    # Processor time, because other processes may be at work.
    began = time.process_time()
    leases = [fleet.lease(work, 0.001 * number) for number, work in enumerate(works)]
    between = time.process_time()
    now = 1.0
    for lease in leases:
        assert lease is not None
        now += 0.001
        fleet.first(lease, now)
        for _ in range(8):
            fleet.progress(lease, 4, now + 0.01)
        fleet.release(lease, now + 0.02, Outcome.OK)
    ended = time.process_time()
    return (between - began) / requests * 1e6, (ended - between) / requests * 1e6
