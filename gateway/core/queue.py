"""Who waits for a model and whose turn is next: a bounded queue that is fair between keys.

Fairness is start-time fair queueing (Goyal, Vin, Cheng 1996) on prompt tokens, twice: classes of priority share by
weight, and the keys of a class share alike. Whoever had least for its weight is next, so that one key with a thousand
requests waits behind another key's first, and no class starves. Each turn is charged when it is taken: what is dropped
costs nobody anything.

It knows names, counts and weights. It must not know a clock, tasks, or what waits.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar, get_args

from gateway.core.caller import Priority
from gateway.core.errors import SettingsError

T = TypeVar("T")

_KEPT = 64  # names that are remembered although they do not wait, before those that no longer matter are looked for


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """``[admission]`` of gateway.toml: what may wait for one model's engine. Nothing waits while endpoints take what
    comes, which they always do unless [balance] bounds them.

    The weights are shares: of every 21 prompt tokens that leave while all classes wait, 16 are of "high".
    """

    queue_requests: int = 1000  # 0: nothing waits, what has no room is refused at once
    queue_tokens: int = 1_000_000  # of all waiting prompts together
    queue_seconds: float = 30.0  # in the queue; then the request is refused
    weight_high: float = 16.0  # share of keys with priority "high"
    weight_normal: float = 4.0  # of all others
    weight_low: float = 1.0  # of keys with priority "low"

    def __post_init__(self) -> None:
        if not 0 <= self.queue_requests <= 100_000:
            raise SettingsError(f"[admission] queue_requests must be 0 to 100000, not {self.queue_requests}.")
        if not 1 <= self.queue_tokens <= 10**9:
            raise SettingsError(f"[admission] queue_tokens must be 1 to 1000000000, not {self.queue_tokens}.")
        if not 0.001 <= self.queue_seconds <= 86_400:
            raise SettingsError(
                f"[admission] queue_seconds must be 0.001 to 86400, not {self.queue_seconds:g}. To let nothing wait, "
                "set queue_requests = 0."
            )
        for name in get_args(Priority):
            weight = self.weight(name)
            if not 0.001 <= weight <= 1000:
                raise SettingsError(f"[admission] weight_{name} must be 0.001 to 1000, not {weight:g}.")

    def weight(self, priority: Priority) -> float:
        """The share of a class."""
        return {"high": self.weight_high, "normal": self.weight_normal, "low": self.weight_low}[priority]


@dataclass(frozen=True, slots=True, eq=False)
class Ticket(Generic[T]):
    """A place in the queue. ``tokens``: of the prompt."""

    key: str
    priority: Priority
    tokens: int
    item: T


class FairQueue(Generic[T]):
    """Tickets by class and key. Every ticket leaves once: by ``pop`` or by ``drop``."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._classes = _Turns()
        self._keys: dict[Priority, _Turns] = {}
        self._waiting: dict[tuple[Priority, str], OrderedDict[Ticket[T], None]] = {}
        self._requests = 0
        self._tokens = 0

    def __len__(self) -> int:
        return self._requests

    @property
    def tokens(self) -> int:
        """Of all waiting prompts."""
        return self._tokens

    def fits(self, tokens: int) -> bool:
        """Whether one more prompt of that length may wait."""
        return self._requests < self._limits.queue_requests and self._tokens + tokens <= self._limits.queue_tokens

    def push(self, key: str, priority: Priority, tokens: int, item: T) -> Ticket[T] | None:
        """A place behind those of the same key; None where the queue is full."""
        if not self.fits(tokens):
            return None
        ticket = Ticket(key, priority, tokens, item)
        self._waiting.setdefault((priority, key), OrderedDict())[ticket] = None
        self._keys.setdefault(priority, _Turns()).join(key)
        self._classes.join(priority)
        self._requests += 1
        self._tokens += tokens
        return ticket

    def first(self) -> Ticket[T] | None:
        """Whose turn is next; None where nobody waits."""
        priority: Priority | None = self._classes.first()  # type: ignore[assignment]
        if priority is None:
            return None
        key = self._keys[priority].first()
        assert key is not None, "a class is among the waiting while one of its keys is"
        return next(iter(self._waiting[priority, key]))

    def pop(self) -> Ticket[T] | None:
        """The first one, which is charged for its turn."""
        ticket = self.first()
        if ticket is not None:
            cost = max(ticket.tokens, 1)
            self._classes.charge(ticket.priority, cost / self._limits.weight(ticket.priority))
            self._keys[ticket.priority].charge(ticket.key, cost)
            self._leave(ticket)
        return ticket

    def drop(self, ticket: Ticket[T]) -> bool:
        """Takes a ticket out that wants no turn any more; False where it had left."""
        if ticket not in self._waiting.get((ticket.priority, ticket.key), ()):
            return False
        self._leave(ticket)
        return True

    def _leave(self, ticket: Ticket[T]) -> None:
        place = (ticket.priority, ticket.key)
        tickets = self._waiting[place]
        del tickets[ticket]
        self._requests -= 1
        self._tokens -= ticket.tokens
        if tickets:
            return
        del self._waiting[place]
        keys = self._keys[ticket.priority]
        keys.leave(ticket.key)
        if not keys:
            self._classes.leave(ticket.priority)
        if not self._requests:  # all are even again
            self._classes = _Turns()
            self._keys.clear()


class _Turns:
    """Names that want turns. Each has a time of its own, which its turns advance; the earliest is next.

    The common time is that of the last turn. Who comes, or comes back, starts there, and later where it had more than
    that: staying away saves up nothing, and leaving after a large turn does not wipe it out.
    """

    __slots__ = ("_heap", "_joined", "_now", "_times", "_wanting")

    def __init__(self) -> None:
        self._now = 0.0
        self._joined = 0
        self._times: dict[str, float] = {}
        self._wanting: set[str] = set()
        # (time, order of coming, name); an entry whose time is not the name's any more is stale
        self._heap: list[tuple[float, int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._wanting)

    def join(self, name: str) -> None:
        """The name wants turns, if it did not already."""
        if name not in self._wanting:
            self._wanting.add(name)
            self._set(name, max(self._now, self._times.get(name, 0.0)))

    def leave(self, name: str) -> None:
        """It wants none for now."""
        self._wanting.discard(name)
        kept = 2 * len(self._wanting) + _KEPT
        if len(self._times) > kept:
            self._times = {
                name: time for name, time in self._times.items() if name in self._wanting or time > self._now
            }
        if len(self._heap) > kept:  # those who come and leave without a turn
            wanting = {
                name: entry
                for entry in sorted(self._heap, reverse=True)
                if (name := entry[2]) in self._wanting and self._times[name] == entry[0]
            }
            self._heap = sorted(wanting.values())

    def first(self) -> str | None:
        """Whose turn is next; of equals, who came first."""
        while self._heap:
            time, _, name = self._heap[0]
            if name in self._wanting and self._times[name] == time:
                return name
            heapq.heappop(self._heap)
        return None

    def charge(self, name: str, cost: float) -> None:
        """The first took its turn."""
        heapq.heappop(self._heap)
        self._now = self._times[name]
        self._set(name, self._now + cost)

    def _set(self, name: str, time: float) -> None:
        self._times[name] = time
        self._joined += 1
        heapq.heappush(self._heap, (time, self._joined, name))


class Drain:
    """How fast tickets leave, from which those who are refused are told when to come again. Seconds."""

    __slots__ = ("_interval", "_last")

    def __init__(self) -> None:
        self._interval: float | None = None  # between two that leave, on average
        self._last = 0.0

    def started(self, now: float) -> None:
        """Somebody waits, and nobody did before."""
        self._last = now

    def left(self, now: float) -> None:
        """One of those who wait got a turn."""
        interval = max(now - self._last, 0.0)
        self._interval = interval if self._interval is None else self._interval + 0.2 * (interval - self._interval)
        self._last = now

    def retry_after(self, waiting: int, now: float) -> int:
        """Whole seconds until as many have left as wait now; 1 to 60, the most that SDKs obey."""
        stalled = max(now - self._last, 0.0)
        interval = stalled if self._interval is None else max(self._interval, stalled)
        return max(1, min(60, math.ceil(interval * waiting)))
