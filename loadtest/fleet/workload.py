"""Who asks for what and when: conversations whose prompts grow, with shared system prompts.

It knows distributions, and draws all of them before the simulation, so that every policy serves the very same
requests. Lengths are lognormal, applications are of Zipf's popularity, conversations begin by a Poisson process whose
rate trebles in bursts, and the next turn comes after the answer and a time to think.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

MAX_TOKENS = 1024  # what every request allows
_APPLICATIONS = 200
_MEAN_TURNS = 4.0
MEAN_REQUEST_SECONDS = 0.31  # an engine's time for one request with nothing cached, at full batches


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a conversation."""

    question_tokens: int
    answer_tokens: int
    think_seconds: float  # after the answer before


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns under one system prompt."""

    number: int
    begins: float
    application: int
    system_tokens: int
    turns: tuple[Turn, ...]


def conversations(*, tritons: int, seconds: float, load: float, seed: int) -> list[Conversation]:
    """In order of their begin. ``load`` is the share of the fleet's capacity that they ask for without any cache."""
    rng = random.Random(f"workload {seed}")
    systems = [_length(rng, 350, 1.0, 20, 6000) for _ in range(_APPLICATIONS)]
    popularity = [1 / (rank + 1) for rank in range(_APPLICATIONS)]
    rate = load * tritons / MEAN_REQUEST_SECONDS / _MEAN_TURNS
    found: list[Conversation] = []
    now, burst, changes = 0.0, False, rng.expovariate(1 / 15)
    while now < seconds:
        # Four fifths of the time calm, a fifth in bursts of three times the rate; the mean is ``rate``.
        now += rng.expovariate(rate * (3.0 if burst else 1.0) / 1.4)
        while now > changes:
            burst = not burst
            changes += rng.expovariate(1 / 3 if burst else 1 / 12)
        application = rng.choices(range(_APPLICATIONS), popularity)[0]
        turns = [Turn(_length(rng, 250, 1.3, 8, 8000), _length(rng, 170, 0.8, 1, MAX_TOKENS), 0.0)]
        while rng.random() > 1 / _MEAN_TURNS and len(turns) < 20:
            question, answer = _length(rng, 60, 1.0, 4, 3000), _length(rng, 170, 0.8, 1, MAX_TOKENS)
            turns.append(Turn(question, answer, rng.expovariate(1 / 5)))
        found.append(Conversation(len(found), now, application, systems[application], tuple(turns)))
    return found


def _length(rng: random.Random, median: int, sigma: float, least: int, most: int) -> int:
    return max(least, min(most, round(median * rng.lognormvariate(0.0, sigma))))
