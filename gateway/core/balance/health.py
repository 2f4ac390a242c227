"""Who is fit to serve: breaker, ejection of outliers, trials, probes.

It knows outcomes, samples of pace and probes' answers, and turns them into states. It must not know who is chosen.

    UNKNOWN ──probe or request──► UP ◄──trials passed── HALF_OPEN ◄──time, or a probe after refusals── EJECTED
       └──────probe──► DOWN ◄──probe── any               └──trial failed──► EJECTED ◄──failures, slowness── UP

Whom requests call failing or slow may be slandered by the requests themselves, so such ejections never take more than
a share of the fleet, nor the last endpoint. Refusals are the endpoint's own word, and are not bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from gateway.core.balance.member import Lease, Mean, Member
from gateway.core.balance.policy import Balance
from gateway.core.balance.roster import Roster
from gateway.core.balance.values import Outcome, State

_COMPARE_SECONDS = 2.0  # between comparisons of all endpoints' paces, and more where they are many: so that
_COMPARE_SECONDS_EACH = 0.01  # comparing costs a small share of the time
_PACE_TOKENS = 32  # generated tokens of a sample of the pace
_LEAST_PACE_TOKENS = 8  # of the last sample of a lease
_PROMPT_TOKENS = 256  # what a first token costs beside its prompt, in tokens of a prompt
_OUTLIER = 4.0  # times its endpoint's mean; a sample counts as this at most


class Health:
    """Changes the states of a roster's members."""

    def __init__(self, balance: Balance, roster: Roster, random: Callable[[], float]) -> None:
        self._balance = balance
        self._roster = roster
        self._random = random
        self._due: list[tuple[float, int, Member]] = []  # ends of ejections
        self._number = 0
        self._compared_at = 0.0

    def advance(self, at: float) -> None:
        """What time alone changes."""
        while self._due and self._due[0][0] <= at:
            _, _, member = heappop(self._due)
            if member.state is State.EJECTED and member.until <= at:
                self._half_open(member, at)
        if at - self._compared_at >= _COMPARE_SECONDS + _COMPARE_SECONDS_EACH * len(self._roster.members):
            self._compared_at = at
            self._compare(at)

    def passed(self, lease: Lease, at: float) -> None:
        """The endpoint served this lease, or its first token."""
        member = lease.member
        if lease.started_at < member.judged_from:
            return
        member.failures = 0
        if member.state is State.UNKNOWN:
            self._up(member, at, "served a request")
        elif member.trial is lease:
            member.trials_passed += 1
            if member.trials_passed >= self._balance.trials:
                self._up(member, at, "passed its trials")
                member.ramp_from = at
            else:
                self._roster.tried(member)

    def ended(self, lease: Lease, outcome: Outcome, at: float, *, trial: bool) -> None:
        """What the end of a lease tells."""
        member = lease.member
        if outcome is Outcome.CANCELLED or lease.started_at < member.judged_from:
            return
        if outcome is Outcome.OK:
            if lease.first_at is None:
                self.passed(lease, at)
            return
        member.failures += 1
        if not trial and member.failures < self._balance.failures:
            return
        refused = outcome is Outcome.REFUSED
        if trial or (member.serving and (refused or self._suspects_left() > 0)):
            times = "its trial" if trial else f"{member.failures} requests in a row"
            self._eject(member, at, f"{times} ended {outcome.value}", suspect=not refused)

    def probed(self, member: Member, up: bool, ready: bool, at: float) -> None:
        if up and ready:
            member.unanswered = 0
            if member.state is State.UNKNOWN:
                self._up(member, at, "probed")
            elif member.state is State.DOWN:
                self._up(member, at, "probed")
                member.ramp_from = at
            elif member.state is State.EJECTED and not member.suspect:
                self._half_open(member, at)
            return
        member.unanswered += not up
        known = up or member.state in (State.UNKNOWN, State.DOWN) or member.unanswered >= self._balance.probe_failures
        if known and member.state is not State.DRAINING:
            reason = "Triton lives, the model is not ready" if up else "no answer to probes"
            if member.state is not State.DOWN or member.reason != reason:
                since = member.since if member.state is State.DOWN else at
                self._roster.enter(member, State.DOWN, since, reason)

    def sampled_first(self, lease: Lease, at: float) -> None:
        lease.mark_at = at
        _add(lease.member.wait, (at - lease.started_at) / (max(0, lease.to_compute) + _PROMPT_TOKENS))

    def sampled(self, lease: Lease, at: float, *, last: bool = False) -> None:
        """Samples the pace of tokens, where enough came since the last sample."""
        tokens = lease.generated - lease.mark_generated
        if tokens >= (_LEAST_PACE_TOKENS if last else _PACE_TOKENS):
            gaps = tokens if lease.mark_generated else tokens - 1
            if at > lease.mark_at:  # else all came at once, which tells nothing
                _add(lease.member.gap, (at - lease.mark_at) / gaps)
            lease.mark_at, lease.mark_generated = at, lease.generated

    def _compare(self, at: float) -> None:
        """Every endpoint against the quicker quarter: were it the median, a slow half would call itself normal."""
        members = [member for member in self._roster.members.values() if member.serving]
        gap = _quicker(member.gap.trusted for member in members)
        wait = _quicker(member.wait.trusted for member in members)
        for member in members:
            member.compare(gap, wait, follow=self._balance.follow_pace)
        limit = self._balance.slow_eject
        slow = [member for member in members if limit and member.slowness >= limit]
        if slow:
            slow.sort(key=lambda member: -member.slowness)
            for member in slow[: self._suspects_left()]:
                reason = f"{member.slowness:.1f} times slower than the quicker endpoints"
                self._eject(member, at, reason, suspect=True)

    def _suspects_left(self) -> int:
        """How many more of those that serve may be ejected for what requests say of them."""
        living = [m for m in self._roster.members.values() if m.state not in (State.DOWN, State.DRAINING)]
        suspects = sum(m.suspect and m.state in (State.EJECTED, State.HALF_OPEN) for m in living)
        serving = sum(m.serving for m in living)
        return max(0, min(int(self._balance.max_ejected_share * len(living)) - suspects, serving - 1))

    def _up(self, member: Member, at: float, reason: str) -> None:
        if member.state is not State.UNKNOWN:
            member.judged_from = at
            member.forget_pace()
        member.failures = 0
        member.suspect = False
        self._roster.enter(member, State.UP, at, reason)

    def _half_open(self, member: Member, at: float) -> None:
        member.judged_from = at
        member.failures = 0
        self._roster.enter(member, State.HALF_OPEN, at, f"on trial; ejected before: {member.reason}")

    def _eject(self, member: Member, at: float, reason: str, *, suspect: bool) -> None:
        balance = self._balance
        if member.state is State.UP and at - member.since > balance.eject_max_seconds:
            member.ejections = 0
        seconds = min(balance.eject_max_seconds, balance.eject_seconds * 2.0 ** min(member.ejections, 32))
        member.ejections += 1
        member.suspect = suspect
        # Up to a fifth longer, so that endpoints that fell together do not come back together.
        member.until = at + seconds * (1 + 0.2 * self._random())
        self._number += 1
        heappush(self._due, (member.until, self._number, member))
        self._roster.enter(member, State.EJECTED, at, reason)


def _add(mean: Mean, sample: float) -> None:
    """One request may be held up by what is not the endpoint's fault, such as a clock that jumped."""
    mean.add(min(sample, _OUTLIER * mean.value) if mean.trusted else sample)


def _quicker(means: Iterable[float | None]) -> float | None:
    """The lower quartile; None while fewer than two are known."""
    known = sorted(mean for mean in means if mean)
    return known[len(known) // 4] if len(known) > 1 else None
