"""One run: conversations, gateways with a policy each, engines, and what goes wrong, in the order of time.

It knows events and how a gateway's pool treats a request: fail-over before the first token, probes, metrics. It must
not know what a policy does, nor how figures are shown.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from statistics import mean, pstdev

from gateway.core.balance import Endpoint, Lease, Load, Outcome, Work
from loadtest.fleet.engine import Engine, Job
from loadtest.fleet.policies import Balancer
from loadtest.fleet.workload import MAX_TOKENS, Conversation, Turn

PROBE_SECONDS = 5.0
METRICS_SECONDS = 2.0
CONNECT_SECONDS = 0.002  # until a dead endpoint refuses
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated besides the policy."""

    tritons: int
    seconds: float = 90.0
    warm_seconds: float = 30.0  # at the beginning, not counted
    load: float = 0.7
    gateways: int = 1
    sessions: bool = False  # whether clients name their conversation
    slow_share: float = 0.0  # of the Tritons answer ``slower`` times slower
    slower: float = 5.0
    die_share: float = 0.0  # of the Tritons die after 40 % of the time and come back, empty, after 60 %


@dataclass(slots=True)
class Asked:
    """One request on its way."""

    conversation: Conversation
    turn: int
    ids: list[int]
    at: float
    gateway: int
    failed: list[str] = field(default_factory=list)
    lease: Lease | None = None
    triton: int = -1
    first_at: float | None = None


@dataclass(slots=True)
class Record:
    """What one run saw, after its warm-up."""

    queued: list[float] = field(default_factory=list)  # seconds from the request to the begin of its prefill
    first: list[float] = field(default_factory=list)  # seconds from the request to its first token
    gaps: list[float] = field(default_factory=list)  # seconds per token after the first, a mean for each request
    prompt_tokens: int = 0
    cached_tokens: int = 0
    spread: list[float] = field(default_factory=list)  # deviation of requests per Triton by their mean, each second
    requests: int = 0
    tried_again: int = 0
    lost: int = 0  # never started, and given up
    broken: int = 0  # after the first token
    slow_share: float = 0.0  # of the requests went to slower Tritons
    to_slow: int = 0


class Simulation:
    """Runs once."""

    def __init__(
        self,
        scenario: Scenario,
        conversations: list[Conversation],
        make: Callable[[Callable[[], float]], Balancer],
        seed: int,
        *,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        self._scenario = scenario
        self._rng = random.Random(f"simulation {seed}")
        self._gateways = [make(random.Random(f"{seed} {n}").random) for n in range(scenario.gateways)]
        self._addresses = [f"10.{n // 62_500}.{n // 250 % 250}.{n % 250 + 1}:8001" for n in range(scenario.tritons)]
        self._number = {address: number for number, address in enumerate(self._addresses)}
        slow = round(scenario.slow_share * scenario.tritons)
        self._slow = set(self._rng.sample(range(scenario.tritons), slow))
        self._engines = [
            Engine(slower=scenario.slower if number in self._slow else 1.0) for number in range(scenario.tritons)
        ]
        self._dead: set[int] = set()
        self._planned = [0] * scenario.tritons  # number of the event that is valid for each engine
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._conversations = conversations
        self._progress = progress
        self.record = Record()

    def run(self) -> Record:
        scenario = self._scenario
        for gateway in self._gateways:
            gateway.update([Endpoint(address) for address in self._addresses], 0.0)
        self._every(PROBE_SECONDS, self._probe, 0.0)
        self._every(METRICS_SECONDS, self._measure, METRICS_SECONDS)
        self._every(1.0, self._look, scenario.warm_seconds)
        if scenario.die_share:
            dying = self._rng.sample(range(scenario.tritons), max(1, round(scenario.die_share * scenario.tritons)))
            self._at(0.4 * scenario.seconds, lambda now: self._die(dying, now))
            self._at(0.6 * scenario.seconds, lambda now: self._dead.difference_update(dying))
        for conversation in self._conversations:
            self._at(conversation.begins, self._begin(conversation))
        while self._events and self._events[0][0] <= scenario.seconds:
            now, _, act = heappop(self._events)
            act(now)
        record = self.record
        record.slow_share = record.to_slow / record.requests if record.requests else 0.0
        return record

    def _at(self, when: float, act: Callable[[float], None]) -> int:
        self._count += 1
        heappush(self._events, (when, self._count, act))
        return self._count

    def _every(self, seconds: float, act: Callable[[float], None], begin: float) -> None:
        def again(now: float) -> None:
            act(now)
            self._at(now + seconds, again)

        self._at(begin, again)

    def _begin(self, conversation: Conversation) -> Callable[[float], None]:
        def begin(now: float) -> None:
            first = 1_000_000 * conversation.application
            self._ask(conversation, 0, list(range(first, first + conversation.system_tokens)), now)

        return begin

    def _ask(self, conversation: Conversation, turn: int, before: list[int], now: float) -> None:
        first = 1_000_000_000 + 100_000 * conversation.number + len(before)
        ids = before + list(range(first, first + conversation.turns[turn].question_tokens))
        self._send(Asked(conversation, turn, ids, now, self._rng.randrange(len(self._gateways))), now)

    def _send(self, asked: Asked, now: float) -> None:
        gateway = self._gateways[asked.gateway]
        session = f"conversation {asked.conversation.number}" if self._scenario.sessions else None
        lease = gateway.lease(Work(asked.ids, MAX_TOKENS, session), now, exclude=asked.failed)
        if lease is None:
            if asked.failed or now - asked.at > 30.0:
                self._give_up(asked)
            else:
                self._at(now + 0.1, lambda later: self._send(asked, later))
            return
        asked.lease, asked.triton = lease, self._number[lease.address]
        if asked.triton in self._dead:
            self._at(now + CONNECT_SECONDS, lambda later: self._fail(asked, Outcome.REFUSED, later))
            return
        turn = asked.conversation.turns[asked.turn]
        job = Job(
            len(asked.ids),
            turn.answer_tokens,
            asked.conversation.application,
            asked.conversation.system_tokens,
            asked.conversation.number,
            now,
            tag=asked,
        )
        self._engines[asked.triton].add(job, now)
        self._plan(asked.triton)

    def _fail(self, asked: Asked, outcome: Outcome, now: float) -> None:
        assert asked.lease is not None
        self._gateways[asked.gateway].release(asked.lease, now, outcome)
        asked.failed.append(asked.lease.address)
        if asked.first_at is not None:
            self.record.broken += 1
        elif len(asked.failed) >= _TRIES:
            self._give_up(asked)
        else:
            self.record.tried_again += 1
            self._send(asked, now)

    def _give_up(self, asked: Asked) -> None:
        self.record.lost += 1

    def _plan(self, number: int) -> None:
        when = self._engines[number].next_at()
        if when is not None:
            planned = self._at(when, lambda now: self._step(number, planned, now))
            self._planned[number] = planned

    def _step(self, number: int, planned: int, now: float) -> None:
        if planned != self._planned[number]:
            return
        for job, tokens, done in self._engines[number].run(now):
            asked = job.tag
            assert isinstance(asked, Asked)
            assert asked.lease is not None
            gateway = self._gateways[asked.gateway]
            if asked.first_at is None:
                asked.first_at = now
                gateway.first(asked.lease, now)
            gateway.progress(asked.lease, tokens, now)
            if done:
                gateway.release(asked.lease, now, Outcome.OK)
                self._served(asked, job, now)
        self._plan(number)

    def _served(self, asked: Asked, job: Job, now: float) -> None:
        if asked.at >= self._scenario.warm_seconds:
            record = self.record
            assert job.begun is not None
            assert asked.first_at is not None
            record.requests += 1
            record.queued.append(job.begun - asked.at)
            record.first.append(asked.first_at - asked.at)
            record.prompt_tokens += job.prompt_tokens
            record.cached_tokens += job.cached_tokens
            record.to_slow += asked.triton in self._slow
            if job.answer_tokens > 1:
                record.gaps.append((now - asked.first_at) / (job.answer_tokens - 1))
        turns = asked.conversation.turns
        if asked.turn + 1 < len(turns):
            following: Turn = turns[asked.turn + 1]
            first = 1_000_000_000 + 100_000 * asked.conversation.number + len(asked.ids)
            before = asked.ids + list(range(first, first + job.answer_tokens))
            self._at(
                now + following.think_seconds,
                lambda later: self._ask(asked.conversation, asked.turn + 1, before, later),
            )

    def _die(self, numbers: list[int], now: float) -> None:
        self._dead.update(numbers)
        for number in numbers:
            self._planned[number] = 0
            for job in self._engines[number].die(now):
                assert isinstance(job.tag, Asked)
                self._fail(job.tag, Outcome.FAILED, now)

    def _probe(self, now: float) -> None:
        for number, address in enumerate(self._addresses):
            for gateway in self._gateways:
                gateway.probed(address, number not in self._dead, number not in self._dead, now)

    def _measure(self, now: float) -> None:
        for address, engine in zip(self._addresses, self._engines, strict=True):
            load = Load(engine.running, len(engine.queue), None)
            for gateway in self._gateways:
                gateway.measured(address, load, now)

    def _look(self, now: float) -> None:
        self._progress(now / self._scenario.seconds)
        counts = [e.running + len(e.queue) for n, e in enumerate(self._engines) if n not in self._dead]
        if counts and mean(counts):
            self.record.spread.append(pstdev(counts) / mean(counts))
