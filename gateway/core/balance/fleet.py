"""The endpoints of one served Triton model, and who of them takes the next request.

It knows leases, states and loads; it must not know a clock, chance, connections or requests' contents beyond token ids.
Every method takes ``now`` in seconds of any clock that mostly runs forward.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from gateway.core.balance.policy import Balance
from gateway.core.balance.values import Endpoint, EndpointState, Lease, Load, Outcome, State, Work


@dataclass(slots=True)
class _Member:
    endpoint: Endpoint
    state: State = State.UNKNOWN
    since: float = 0.0
    reason: str = "not probed yet"
    in_flight: int = 0
    tokens: int = 0
    load: Load = field(default_factory=Load)


@dataclass(slots=True)
class _Entry:
    member: _Member
    tokens: int


class Fleet:
    """Leases endpoints to requests. One for each served Triton model."""

    def __init__(self, balance: Balance, *, random: Callable[[], float], tokens_per_block: int = 64) -> None:
        self._balance = balance
        self._random = random
        self._tokens_per_block = tokens_per_block
        self._members: dict[str, _Member] = {}

    def update(self, endpoints: Sequence[Endpoint], now: float) -> None:
        """The endpoints there are from now on. New ones start slowly, others drain: their leases may end."""
        listed = {endpoint.address: endpoint for endpoint in endpoints}
        for address, endpoint in listed.items():
            member = self._members.get(address)
            if member is None:
                self._members[address] = _Member(endpoint, since=now)
            else:
                member.endpoint = endpoint
                if member.state is State.DRAINING:
                    self._enter(member, State.UNKNOWN, now, "listed again")
        for address, member in list(self._members.items()):
            if address not in listed:
                if member.in_flight:
                    self._enter(member, State.DRAINING, now, "no longer listed")
                else:
                    del self._members[address]

    def lease(self, work: Work, now: float, *, exclude: Collection[str] = ()) -> Lease | None:
        """An endpoint for this work, or None while nobody can take it. ``exclude``: those that failed it already."""
        able = [m for m in self._members.values() if self._able(m) and m.endpoint.address not in exclude]
        if not able:
            return None
        one, two = (able[int(self._random() * len(able))] for _ in range(2))
        member = min(one, two, key=lambda m: m.tokens)
        entry = _Entry(member, len(work.ids) + work.max_tokens)
        member.in_flight += 1
        member.tokens += entry.tokens
        return Lease(member.endpoint.address, 0, entry)

    def room(self, now: float) -> bool:
        """Whether some endpoint can take a request now."""
        return any(self._able(member) for member in self._members.values())

    def first(self, lease: Lease, now: float) -> None:
        """Its first token came."""

    def progress(self, lease: Lease, tokens: int, now: float) -> None:
        """So many more tokens came."""

    def release(self, lease: Lease, now: float, outcome: Outcome) -> None:
        """The request is over. Further calls for the same lease do nothing."""
        entry, lease._entry = lease._entry, None
        if not isinstance(entry, _Entry):
            return
        member = entry.member
        member.in_flight -= 1
        member.tokens -= entry.tokens
        if member.state is State.DRAINING and not member.in_flight:
            self._members.pop(member.endpoint.address, None)

    def probed(self, address: str, up: bool, ready: bool, now: float) -> None:
        """A probe's answer: whether Triton lives and whether it serves the model."""
        member = self._members.get(address)
        if member is None or member.state is State.DRAINING:
            return
        state = State.UP if up and ready else State.DOWN
        if state is not member.state:
            self._enter(member, state, now, "" if ready else "model not ready" if up else "not live")

    def measured(self, address: str, load: Load, now: float) -> None:
        """What the endpoint's metrics say of its load."""
        if address in self._members:
            self._members[address].load = load

    def states(self, now: float) -> tuple[EndpointState, ...]:
        """Every endpoint, in the order in which they were listed first."""
        return tuple(
            EndpointState(
                m.endpoint.address, m.endpoint.weight, m.state, m.in_flight, m.tokens, m.load, m.since, m.reason
            )
            for m in self._members.values()
        )

    def _able(self, member: _Member) -> bool:
        limit = self._balance.max_requests
        return member.state in (State.UP, State.UNKNOWN) and (not limit or member.in_flight < limit)

    def _enter(self, member: _Member, state: State, now: float, reason: str) -> None:
        member.state, member.since, member.reason = state, now, reason
