"""One endpoint as its fleet sees it, and the leases on it.

It knows what is kept for an endpoint and how its load compares; it must not know other endpoints or who is chosen.
Times are the fleet's elapsed seconds, not the caller's ``now``.
"""

from __future__ import annotations

from gateway.core.balance.values import Endpoint, Load, State

SERVING = (State.UP, State.UNKNOWN)
_LEAST_RAMP = 0.1  # an endpoint that starts slowly still gets some work
_MOST_DRAG = 8.0  # beyond, an endpoint would get no work and could not show that it is quick again
_LEAST_DRAG = 1.5  # below, it is slower for what it has to do, which outstanding tokens tell already
_ALPHA = 0.1  # of a sample in a mean: about the last twenty count
_TRUSTED = 8  # samples before a mean is used


class Mean:
    """An exponentially weighted mean; the first samples weigh equally."""

    __slots__ = ("count", "value")

    def __init__(self) -> None:
        self.count = 0
        self.value = 0.0

    def add(self, sample: float) -> None:
        self.count += 1
        self.value += (sample - self.value) * max(_ALPHA, 1 / self.count)

    @property
    def trusted(self) -> float | None:
        return self.value if self.count >= _TRUSTED else None


class Member:
    """One endpoint."""

    __slots__ = (
        "address",
        "drag",
        "ejections",
        "failures",
        "foreign_tokens",
        "foreign_until",
        "gap",
        "in_flight",
        "judged_from",
        "load",
        "most_in_flight",
        "place",
        "ramp_from",
        "ramp_seconds",
        "reason",
        "since",
        "slowness",
        "state",
        "suspect",
        "tokens",
        "trial",
        "trials_passed",
        "unanswered",
        "until",
        "wait",
        "weight",
    )

    def __init__(self, endpoint: Endpoint, at: float, *, ramp_seconds: float) -> None:
        self.address = endpoint.address
        self.weight = endpoint.weight
        self.state = State.UNKNOWN
        self.since = at
        self.reason = "not probed yet"
        self.in_flight = 0
        self.tokens = 0  # outstanding
        self.load = Load()
        self.most_in_flight = 0  # since its load was measured last
        self.foreign_tokens = 0  # estimated outstanding tokens of others' requests
        self.foreign_until = 0.0
        self.place = -1  # in the pool of those that can be drawn; -1: not there
        self.ramp_seconds = ramp_seconds
        self.ramp_from: float | None = None
        self.failures = 0  # in a row
        self.unanswered = 0  # probes in a row
        self.ejections = 0  # in a row
        self.suspect = False  # ejected for what requests met, not for refusing all
        self.until = 0.0  # end of the ejection
        self.trial: Lease | None = None
        self.trials_passed = 0
        self.judged_from = at  # leases from before say nothing about it any more
        self.forget_pace()

    @property
    def serving(self) -> bool:
        return self.state in SERVING

    def forget_pace(self) -> None:
        self.gap = Mean()  # seconds per generated token
        self.wait = Mean()  # seconds to the first token, for the size of the prompt
        self.slowness = 1.0
        self.drag = 1.0  # what its tokens count in load: its slowness, where the policy follows it

    def compare(self, gap: float | None, wait: float | None, *, follow: bool) -> None:
        """Sets how much slower it is than these, the fleet's quicker endpoints."""
        gaps, waits = self.gap.trusted, self.wait.trusted
        # Waiting holds queueing, which outstanding tokens tell already; the pace of tokens holds it hardly.
        if gaps is not None and gap:
            self.slowness = gaps / gap
        elif waits is not None and wait:
            self.slowness = waits / wait
        else:
            self.slowness = 1.0
        self.drag = min(_MOST_DRAG, self.slowness) if follow and self.slowness >= _LEAST_DRAG else 1.0

    def score(self, cost: int, at: float) -> float:
        """How busy it would be with this work too; the least takes it."""
        foreign = self.foreign_tokens if at < self.foreign_until else 0
        busy = (self.tokens + foreign + cost) * self.drag / self.weight
        if self.ramp_from is not None:
            passed = at - self.ramp_from
            if passed >= self.ramp_seconds:
                self.ramp_from = None
            else:
                busy /= max(_LEAST_RAMP, passed / self.ramp_seconds)
        return busy


class Lease:
    """The right to send one request to ``address``; ends with one ``Fleet.release``. The rest is the fleet's."""

    __slots__ = (
        "address",
        "cached_tokens",
        "first_at",
        "generated",
        "mark_at",
        "mark_generated",
        "member",
        "output",
        "over",
        "prompt",
        "started_at",
        "to_compute",
    )

    def __init__(self, member: Member, *, cached: int, prompt: int, output: int, at: float) -> None:
        self.address = member.address
        self.cached_tokens = cached  # of the prompt, as the affinity table believes
        self.member = member
        self.to_compute = prompt - cached
        self.prompt = max(0, prompt - cached)  # outstanding
        self.output = max(1, output)  # outstanding
        self.started_at = at
        self.first_at: float | None = None
        self.generated = 0
        self.mark_at = at  # where the last sample of its pace ended
        self.mark_generated = 0
        self.over = False

    @property
    def outstanding(self) -> int:
        return self.prompt + self.output
