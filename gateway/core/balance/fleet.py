"""The endpoints of one served Triton model, and who of them takes the next request.

It knows leases and how an endpoint is chosen. It must not know a clock, chance, connections, or of requests more than
token ids and sessions. Every method takes ``now`` in seconds of a clock that mostly runs forward; a step back counts
as no time.

Who is chosen: an endpoint on trial, if one waits for a request; else who last computed the longest prefix of its
prompt, if that is much of it; else the home of its session, or of the beginning of its prompt, where every gateway
would send it; all these unless they are loaded above the fleet's mean; else the least loaded of a few drawn by
chance. Load is outstanding tokens: of the prompt until the first token, of the answer until they came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence

from gateway.core.balance.clock import Elapsed
from gateway.core.balance.health import Health
from gateway.core.balance.member import Lease, Mean, Member
from gateway.core.balance.policy import Balance
from gateway.core.balance.prefix import Mark, PrefixTable
from gateway.core.balance.ring import Ring
from gateway.core.balance.roster import Roster
from gateway.core.balance.values import Endpoint, EndpointState, Load, Outcome, State, Work

_ASSUMED_OUTPUT = 256  # tokens of an answer before the first is known
_DRAWS = 8  # beyond those asked for, until everybody is looked at


class Fleet:
    """Leases endpoints to requests. One for each served Triton model."""

    def __init__(self, balance: Balance, *, random: Callable[[], float], tokens_per_block: int = 64) -> None:
        self._balance = balance
        self._clock = Elapsed()
        self._roster = Roster(balance, random)
        self._health = Health(balance, self._roster, random)
        self._prefixes = PrefixTable(
            entries=balance.affinity_entries, blocks=balance.affinity_blocks, tokens_per_block=tokens_per_block
        )
        self._ring = Ring({})
        self._ring_weights: dict[str, float] = {}
        self._output = Mean()  # tokens of an answer

    def update(self, endpoints: Sequence[Endpoint], now: float) -> None:
        """The endpoints there are from now on. New ones start slowly, others drain: their leases may end."""
        at = self._at(now)
        roster = self._roster
        listed = {each.address: each for each in endpoints}
        first = not roster.members
        for address, endpoint in listed.items():
            weight = endpoint.weight if 0 < endpoint.weight < math.inf else 1.0
            member = roster.members.get(address)
            if member is None:
                member = Member(endpoint, at, ramp_seconds=self._balance.slow_start_seconds)
                member.ramp_from = None if first else at
                roster.add(member)
            elif member.state is State.DRAINING:
                roster.enter(member, State.UNKNOWN, at, "listed again, not probed yet")
                member.ramp_from = member.judged_from = at
            roster.reweigh(member, weight)
        for address, member in list(roster.members.items()):
            if address not in listed and member.state is not State.DRAINING:
                roster.enter(member, State.DRAINING, at, "no longer listed")
                if not member.in_flight:
                    roster.drop(member)
        roster.pool.weigh()
        weights = {address: roster.members[address].weight for address in listed}
        if weights != self._ring_weights:
            self._ring, self._ring_weights = Ring(weights), weights

    def lease(self, work: Work, now: float, *, exclude: Collection[str] = ()) -> Lease | None:
        """An endpoint for this work, or None while nobody can take it. ``exclude``: those that failed it already."""
        at = self._at(now)
        roster = self._roster
        output = min(work.max_tokens, math.ceil(self._output.value) if self._output.count else _ASSUMED_OUTPUT)
        cost = len(work.ids) + max(1, output)
        marks: list[Mark] = []
        if self._balance.prefix_affinity or self._balance.shared_homes:
            marks = self._prefixes.marks(work.ids)
        # Trials are for requests that can still be sent elsewhere: who failed already goes to the sure ones first.
        trial = next((member for member in roster.to_try.values() if member.address not in exclude), None)
        member = trial if not exclude else None
        if member is None:
            member = self._affine(work, marks, cost, exclude) or self._least(cost, at, exclude) or trial
        if member is None:
            return None
        lease = Lease(member, cached=self._cached(marks, member), prompt=len(work.ids), output=output, at=at)
        roster.start(member, lease)
        if self._balance.prefix_affinity:
            self._prefixes.remember(marks, member.address)
        return lease

    def room(self, now: float) -> bool:
        """Whether some endpoint can take a request now."""
        self._at(now)
        return bool(self._roster.pool) or bool(self._roster.to_try)

    def first(self, lease: Lease, now: float) -> None:
        """Its first token came. The token itself belongs to ``progress``."""
        at = self._at(now)
        if lease.over or lease.first_at is not None:
            return
        lease.first_at = at
        self._roster.charge(lease.member, -lease.prompt)
        lease.prompt = 0
        self._health.sampled_first(lease, at)
        self._health.passed(lease, at)

    def progress(self, lease: Lease, tokens: int, now: float) -> None:
        """So many more tokens were generated."""
        if lease.over or tokens <= 0:
            return
        if lease.first_at is None:
            self.first(lease, now)
        at = self._at(now)
        lease.generated += tokens
        # One stays outstanding until the end: nobody knows how much is still to come.
        done = min(tokens, lease.output - 1)
        lease.output -= done
        self._roster.charge(lease.member, -done)
        self._health.sampled(lease, at)

    def release(self, lease: Lease, now: float, outcome: Outcome) -> None:
        """The request is over. Further calls for the same lease do nothing."""
        at = self._at(now)
        if lease.over:
            return
        lease.over = True
        member = lease.member
        trial = member.trial is lease
        if outcome is Outcome.OK:
            self._health.sampled(lease, at, last=True)
            if lease.generated:
                self._output.add(lease.generated)
        self._health.ended(lease, outcome, at, trial=trial)
        self._roster.end(member, lease)
        if member.state is State.DRAINING and not member.in_flight:
            self._roster.drop(member)

    def probed(self, address: str, up: bool, ready: bool, now: float) -> None:
        """A probe's answer: whether Triton lives and whether it serves the model."""
        at = self._at(now)
        member = self._roster.members.get(address)
        if member is not None:
            self._health.probed(member, up, ready, at)

    def measured(self, address: str, load: Load, now: float) -> None:
        """What the endpoint's metrics say of its load. Requests that are not ours count like ours."""
        at = self._at(now)
        member = self._roster.members.get(address)
        if member is None:
            return
        member.load = load
        # The engine counted a while ago: what we had in flight since then may be in its figures.
        theirs = max(0, (load.running or 0) + (load.waiting or 0) - member.most_in_flight)
        member.most_in_flight = member.in_flight
        each = self._output.value if self._output.count else _ASSUMED_OUTPUT
        member.foreign_tokens = int(theirs * each)
        member.foreign_until = at + self._balance.load_seconds

    def states(self, now: float) -> tuple[EndpointState, ...]:
        """Every endpoint, in the order in which they were listed first."""
        at = self._at(now)
        return tuple(
            EndpointState(
                address=member.address,
                weight=member.weight,
                state=member.state,
                in_flight=member.in_flight,
                outstanding_tokens=member.tokens,
                load=member.load,
                since=now - (at - member.since),
                reason=member.reason,
                slowness=member.slowness,
            )
            for member in self._roster.members.values()
        )

    def _at(self, now: float) -> float:
        at = self._clock.at(now)
        self._health.advance(at)
        return at

    def _affine(self, work: Work, marks: list[Mark], cost: int, exclude: Collection[str]) -> Member | None:
        """Where the session or the prefix is at home, unless that endpoint has more than its part to do."""
        balance = self._balance
        least = balance.affinity_share * len(work.ids)
        known = ((self._prefixes.address(mark), mark.tokens) for mark in reversed(marks) if mark.tokens >= least)
        member = self._able(((address, saved) for address, saved in known if address is not None), cost, exclude)
        home = work.session if balance.session_affinity else None
        if home is None and balance.shared_homes:
            home = self._prefixes.root(marks)
        if member is None and home is not None:
            # What lies there is not known; where it does, it is the beginning of the prompt, up to the last question.
            saved = len(work.ids) // 2
            member = self._able(((address, saved) for address in self._ring.homes(home)), cost, exclude)
        return member

    def _able(self, homes: Iterable[tuple[str, int]], cost: int, exclude: Collection[str]) -> Member | None:
        """The first of these that may take affine work, which may wait for as many tokens as it saves there."""
        roster, balance = self._roster, self._balance
        asked = None
        for address, saved in homes:
            if address == asked:
                continue
            asked = address
            member = roster.members.get(address)
            if member is None or member.place < 0 or address in exclude or not roster.takes(member, cost):
                continue
            mean = max(roster.mean(member), min(saved, balance.affinity_free_tokens))
            if member.tokens * member.drag <= balance.affinity_load * mean:
                return member
        return None

    def _least(self, cost: int, at: float, exclude: Collection[str]) -> Member | None:
        """The least loaded of a few; of all, where nearly nobody can take it."""
        pool, takes = self._roster.pool, self._roster.takes
        if not pool:
            return None
        drawn: set[str] = set()
        best: Member | None = None
        least = math.inf
        wanted = min(self._balance.choices, len(pool))
        for _ in range(wanted + _DRAWS):
            member = pool.draw()
            if member.address in drawn or member.address in exclude or not takes(member, cost):
                continue
            drawn.add(member.address)
            score = member.score(cost, at)
            if score < least:
                best, least = member, score
            if len(drawn) == wanted:
                return best
        if best is None:
            able = (member for member in pool if member.address not in exclude and takes(member, cost))
            best = min(able, key=lambda member: member.score(cost, at), default=None)
        return best

    def _cached(self, marks: list[Mark], member: Member) -> int:
        """Tokens of the prompt that the member computed before, as far as the table tells."""
        return next((mark.tokens for mark in reversed(marks) if self._prefixes.address(mark) == member.address), 0)
