"""The policies that are compared, by name. All but round robin are the gateway's own ``Fleet`` with other options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.core.balance import Balance, Endpoint, Fleet, Lease, Load, Outcome, Work
from gateway.core.balance.member import Member

_PLAIN = Balance(prefix_affinity=False, session_affinity=False, shared_homes=False, follow_pace=False, slow_eject=0.0)


class Balancer(Protocol):
    """What the simulation asks of a policy: the part of ``Fleet`` that a pool of connections uses."""

    def update(self, endpoints: Sequence[Endpoint], now: float) -> None: ...
    def lease(self, work: Work, now: float, *, exclude: Collection[str] = ()) -> Lease | None: ...
    def first(self, lease: Lease, now: float) -> None: ...
    def progress(self, lease: Lease, tokens: int, now: float) -> None: ...
    def release(self, lease: Lease, now: float, outcome: Outcome) -> None: ...
    def probed(self, address: str, up: bool, ready: bool, now: float) -> None: ...
    def measured(self, address: str, load: Load, now: float) -> None: ...


class RoundRobin:
    """One after another, whoever it is: what a Kubernetes service or nginx does without knowing more than probes."""

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._down: set[str] = set()
        self._turn = 0

    def update(self, endpoints: Sequence[Endpoint], now: float) -> None:
        self._members = [Member(endpoint, now, ramp_seconds=0.0) for endpoint in endpoints]

    def lease(self, work: Work, now: float, *, exclude: Collection[str] = ()) -> Lease | None:
        for _ in self._members:
            member = self._members[self._turn % len(self._members)]
            self._turn += 1
            if member.address not in exclude and member.address not in self._down:
                return Lease(member, cached=0, prompt=len(work.ids), output=1, at=now)
        return None

    def first(self, lease: Lease, now: float) -> None: ...
    def progress(self, lease: Lease, tokens: int, now: float) -> None: ...
    def release(self, lease: Lease, now: float, outcome: Outcome) -> None: ...
    def measured(self, address: str, load: Load, now: float) -> None: ...

    def probed(self, address: str, up: bool, ready: bool, now: float) -> None:
        (self._down.discard if up and ready else self._down.add)(address)


class LeastRequests(Fleet):
    """The gateway's fleet, told that all requests are equal."""

    def lease(self, work: Work, now: float, *, exclude: Collection[str] = ()) -> Lease | None:
        return super().lease(Work((), 1), now, exclude=exclude)


# What a user may choose, by what it adds to the one above.
OPTIONS: dict[str, Balance] = {
    "random": replace(_PLAIN, choices=1),
    "tokens of two": _PLAIN,
    "tokens of two, pace": replace(_PLAIN, follow_pace=True),
    "tokens of eight, pace": replace(_PLAIN, follow_pace=True, choices=8),
    "homes": replace(Balance(), prefix_affinity=False),
    "prefix": replace(Balance(), session_affinity=False, shared_homes=False),
    "prefix, never yields": replace(Balance(), session_affinity=False, shared_homes=False, affinity_load=100.0),
    "default": Balance(),
}
NAMES = ("random", "round robin", "requests of two", *list(OPTIONS)[1:])


def balancer(name: str, random: Callable[[], float], options: Balance | None = None) -> Balancer:
    """A new one of this name; with ``options``, the gateway's fleet with just those."""
    if options is not None:
        return Fleet(options, random=random)
    if name == "round robin":
        return RoundRobin()
    if name == "requests of two":
        return LeastRequests(_PLAIN, random=random)
    return Fleet(OPTIONS[name], random=random)
