"""Whatever happens in whatever order, a fleet keeps its promises."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.balance import Balance, Endpoint, Fleet, Lease, Load, Outcome, State, Work

ADDRESSES = [f"{name}:1" for name in "abcdef"]
LEASED = (State.UP, State.UNKNOWN, State.HALF_OPEN)
some = st.sampled_from(ADDRESSES)


class AnyFleet(RuleBasedStateMachine):
    """Steps of a life of a fleet; the clock goes to and fro."""

    @initialize(
        seed=st.integers(0, 1000),
        failures=st.integers(1, 3),
        requests=st.sampled_from([0, 1, 3]),
        tokens=st.sampled_from([0, 60]),
    )
    def begin(self, seed: int, failures: int, requests: int, tokens: int) -> None:
        self.now = 100.0
        self.limit = requests
        self.live: list[Lease] = []
        self.ended: list[Lease] = []
        balance = Balance(
            failures=failures, max_requests=requests, max_tokens=tokens, affinity_entries=10, affinity_free_tokens=20
        )
        self.fleet = Fleet(balance, random=random.Random(seed).random, tokens_per_block=4)
        self.fleet.update([Endpoint(address) for address in ADDRESSES[:4]], self.now)

    @rule(seconds=st.one_of(st.floats(0, 5), st.floats(-1e6, 1e6)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        start=st.integers(0, 3),
        length=st.integers(0, 60),
        session=st.sampled_from([None, "one", "two"]),
        exclude=st.lists(some, max_size=3),
    )
    def take(self, start: int, length: int, session: str | None, exclude: list[str]) -> None:
        before = {each.address: each for each in self.fleet.states(self.now)}
        able = [each for each in before.values() if each.state in (State.UP, State.UNKNOWN)]
        made = self.fleet.lease(Work(range(start, start + length), 9, session), self.now, exclude=exclude)
        if made is None:
            assert self.limit or all(each.address in exclude or each.in_flight for each in able)
            return
        assert made.address not in exclude
        assert before[made.address].state in LEASED
        assert not self.limit or before[made.address].in_flight < self.limit
        self.live.append(made)

    @rule(data=st.data(), tokens=st.integers(0, 40))
    def generate(self, data: st.DataObject, tokens: int) -> None:
        if self.live:
            lease = data.draw(st.sampled_from(self.live))
            self.fleet.first(lease, self.now)
            self.fleet.progress(lease, tokens, self.now)

    @rule(data=st.data(), outcome=st.sampled_from(Outcome), times=st.integers(1, 3))
    def end(self, data: st.DataObject, outcome: Outcome, times: int) -> None:
        if self.live:
            lease = self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))
            for _ in range(times):
                self.fleet.release(lease, self.now, outcome)
            self.ended.append(lease)

    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def touch_what_is_over(self, data: st.DataObject, outcome: Outcome) -> None:
        if self.ended:
            lease = data.draw(st.sampled_from(self.ended))
            self.fleet.first(lease, self.now)
            self.fleet.progress(lease, 5, self.now)
            self.fleet.release(lease, self.now, outcome)

    @rule(address=some, up=st.booleans(), ready=st.booleans())
    def probe(self, address: str, up: bool, ready: bool) -> None:
        self.fleet.probed(address, up, up and ready, self.now)

    @rule(address=some, running=st.one_of(st.none(), st.integers(0, 100)))
    def measure(self, address: str, running: int | None) -> None:
        self.fleet.measured(address, Load(running=running), self.now)

    @rule(addresses=st.lists(some), weight=st.floats(0.1, 10))
    def list_anew(self, addresses: list[str], weight: float) -> None:
        self.fleet.update([Endpoint(address, weight) for address in addresses], self.now)

    @invariant()
    def sums_hold(self) -> None:
        if not hasattr(self, "fleet"):
            return
        states = self.fleet.states(self.now)
        for each in states:
            leases = [lease for lease in self.live if lease.address == each.address]
            assert each.in_flight == len(leases)
            assert each.outstanding_tokens == sum(lease.outstanding for lease in leases) >= 0
            assert bool(leases) or each.state is not State.DRAINING
        assert {lease.address for lease in self.live} <= {each.address for each in states}
        roster = self.fleet._roster
        serving = [each for each in states if each.state in (State.UP, State.UNKNOWN)]
        assert roster.tokens == sum(each.outstanding_tokens for each in serving)
        assert {member.address for member in roster.pool} <= {each.address for each in serving}
        assert len(self.fleet._prefixes) <= 10

    @invariant()
    def ejections_are_bounded(self) -> None:
        if not hasattr(self, "fleet"):
            return
        members = self.fleet._roster.members.values()
        suspects = [member for member in members if member.suspect and member.state is State.EJECTED]
        # Those that went down or away after the ejection do not bring the others back.
        assert len(suspects) <= 3

    def teardown(self) -> None:
        for lease in getattr(self, "live", []):
            self.fleet.release(lease, self.now, Outcome.OK)
        if hasattr(self, "fleet"):
            assert all(each.in_flight == each.outstanding_tokens == 0 for each in self.fleet.states(self.now))


AnyFleet.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestAnyFleet = AnyFleet.TestCase
