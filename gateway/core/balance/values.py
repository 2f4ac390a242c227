"""What the balancer takes and gives: endpoints, work, loads, outcomes, states.

It knows their shape only; who is chosen and why stands in ``fleet``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Triton, as configured or discovered."""

    address: str  # host:port of gRPC
    weight: float = 1.0  # share of the work relative to the others, above 0


@dataclass(frozen=True, slots=True)
class Work:
    """What a request costs, and where its prefix may lie in a KV cache."""

    ids: Sequence[int]  # of the prompt
    max_tokens: int  # the most it may generate
    session: str | None = None  # what the client says belongs together


@dataclass(frozen=True, slots=True)
class Load:
    """What an engine said of itself, over all who use it; None where it did not say."""

    running: int | None = None  # requests
    waiting: int | None = None  # requests
    kv_used_fraction: float | None = None


class Outcome(Enum):
    """How a lease ended, in what it tells about the endpoint."""

    OK = "ok"
    CANCELLED = "cancelled"  # by the client or by us: says nothing about the endpoint
    REFUSED = "refused"  # the request never started: not connected, or not served
    FAILED = "failed"  # the endpoint broke it
    SILENT = "silent"  # a deadline passed without a token


class State(Enum):
    """Of an endpoint. UP, UNKNOWN and HALF_OPEN can be leased, the last to few requests at a time."""

    UP = "up"
    UNKNOWN = "unknown"  # neither a probe nor a request has told yet
    HALF_OPEN = "half_open"  # was ejected, is being tried
    EJECTED = "ejected"  # by outcomes or slowness, for a time
    DOWN = "down"  # a probe said so
    DRAINING = "draining"  # no longer listed; its leases may end


@dataclass(frozen=True, slots=True)
class EndpointState:
    """One endpoint as ``/debug/endpoints`` and the metrics show it."""

    address: str
    weight: float
    state: State
    in_flight: int  # leases
    outstanding_tokens: int
    load: Load
    since: float  # when it came into this state, by the clock of ``now``
    reason: str  # why it is in this state, for people
    slowness: float = 1.0  # times the seconds per token of the fleet's quicker endpoints
