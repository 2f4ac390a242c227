"""Fleets to test with: endpoints by letter, chance by seed, requests that are run to their end."""

from __future__ import annotations

import random
from collections.abc import Collection

from gateway.core.balance import Balance, Endpoint, EndpointState, Fleet, Lease, Outcome, State, Work


def fleet(names: str = "abc", *, seed: int = 1, probed: bool = True, **options: object) -> Fleet:
    """Endpoints a:1, b:1, … that a probe found well at time 0."""
    made = Fleet(Balance(**options), random=random.Random(seed).random, tokens_per_block=4)  # type: ignore[arg-type]
    made.update(endpoints(names), 0.0)
    for name in names if probed else "":
        made.probed(f"{name}:1", True, True, 0.0)
    return made


def endpoints(names: str) -> list[Endpoint]:
    return [Endpoint(f"{name}:1") for name in names]


def work(tokens: int = 8, max_tokens: int = 8, session: str | None = None, start: int = 0) -> Work:
    return Work(range(start, start + tokens), max_tokens, session)


def lease(given: Fleet, now: float, of: Work | None = None, *, exclude: Collection[str] = ()) -> Lease:
    found = given.lease(of or work(), now, exclude=exclude)
    assert found is not None
    return found


def serve(
    given: Fleet, now: float, *, seconds: float, gap: float = 0.0, tokens: int = 9, of: Work | None = None
) -> str:
    """One request: its first token after ``seconds``, the others ``gap`` apart. Returns who served it."""
    made = lease(given, now, of)
    given.first(made, now + seconds)
    given.progress(made, 1, now + seconds)
    given.progress(made, tokens - 1, now + seconds + gap * (tokens - 1))
    given.release(made, now + seconds + gap * (tokens - 1), Outcome.OK)
    return made.address


def fail(given: Fleet, now: float, address: str, outcome: Outcome) -> None:
    """One request that this endpoint fails."""
    others = [each.address for each in given.states(now) if each.address != address]
    made = lease(given, now, exclude=others)
    assert made.address == address
    given.release(made, now, outcome)


def state(given: Fleet, address: str, now: float) -> EndpointState:
    return next(each for each in given.states(now) if each.address == address)


def named(given: Fleet, now: float) -> dict[str, State]:
    """a → State.UP, …"""
    return {each.address[0]: each.state for each in given.states(now)}
