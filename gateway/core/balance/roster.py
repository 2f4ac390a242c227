"""The members of a fleet, in the states they are in, and the sums over them.

It knows who is there, who can be drawn, who can be tried, and what is outstanding. It must not know why a state
changes or who is chosen. Every change is of constant cost, but for weights and comings and goings.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.balance.member import Lease, Member
from gateway.core.balance.policy import Balance
from gateway.core.balance.pool import Pool
from gateway.core.balance.values import State


class Roster:
    """Keeps pool, trials and sums equal to the members' states."""

    def __init__(self, balance: Balance, random: Callable[[], float]) -> None:
        self._max_requests = balance.max_requests
        self._max_tokens = balance.max_tokens
        self.members: dict[str, Member] = {}
        self.pool = Pool(random)
        self.to_try: dict[str, Member] = {}  # half open, and nobody is trying them
        self.tokens = 0  # outstanding on those that serve
        self.weight = 0.0  # of those that serve

    def add(self, member: Member) -> None:
        self.members[member.address] = member
        self._sum(member, 1)
        self._place(member)

    def drop(self, member: Member) -> None:
        """A draining member without leases goes for good."""
        self.members.pop(member.address, None)

    def reweigh(self, member: Member, weight: float) -> None:
        if weight != member.weight:
            self._sum(member, -1)
            member.weight = weight
            self._sum(member, 1)

    def enter(self, member: Member, state: State, at: float, reason: str) -> None:
        self._sum(member, -1)
        member.state, member.since, member.reason = state, at, reason
        member.trial = None
        member.trials_passed = 0
        self._sum(member, 1)
        self._place(member)

    def start(self, member: Member, lease: Lease) -> None:
        """The lease is on the member from now on."""
        if member.state is State.HALF_OPEN:
            member.trial = lease
        member.in_flight += 1
        member.most_in_flight = max(member.most_in_flight, member.in_flight)
        self.charge(member, lease.outstanding)

    def tried(self, member: Member) -> None:
        """Its trial went well; the next may begin while the request goes on."""
        member.trial = None
        self._place(member)

    def end(self, member: Member, lease: Lease) -> None:
        if member.trial is lease:
            member.trial = None
        member.in_flight -= 1
        self.charge(member, -lease.outstanding)

    def charge(self, member: Member, tokens: int) -> None:
        """So many more (or fewer) tokens are outstanding on the member."""
        member.tokens += tokens
        if member.serving:
            self.tokens += tokens
        self._place(member)

    def takes(self, member: Member, cost: int) -> bool:
        """Whether it has room for a work of this cost. Work that is larger than any room goes to an idle endpoint."""
        most = self._max_tokens
        return not most or not member.in_flight or member.tokens + cost <= most

    def mean(self, member: Member) -> float:
        """The member's share, by weight, of all that is outstanding."""
        return self.tokens * member.weight / self.weight if self.weight else 0.0

    def _place(self, member: Member) -> None:
        requests, tokens = self._max_requests, self._max_tokens
        free = (not requests or member.in_flight < requests) and (not tokens or member.tokens < tokens)
        self.pool.put(member, free and member.serving)
        if member.state is State.HALF_OPEN and member.trial is None and free:
            self.to_try[member.address] = member
        else:
            self.to_try.pop(member.address, None)

    def _sum(self, member: Member, sign: int) -> None:
        if member.serving:
            self.tokens += sign * member.tokens
            self.weight += sign * member.weight
