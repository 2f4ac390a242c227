"""One Triton of a pool, and what a pool needs of the backend on it.

It knows what is remembered of a Triton while it is listed or in use. It must not know when anything is looked at or
who takes a request: ``pool`` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from gateway.core.balance import Lease
from gateway.core.errors import UpstreamError, UpstreamUnavailable
from gateway.core.places import Place
from gateway.core.watchdog import Watchdog
from gateway.triton.probe import Asked, Health

C = TypeVar("C", covariant=True)
B = TypeVar("B", bound="Served[Any]")


class Served(Protocol[C]):
    """What a pool needs of a backend: one Triton that serves one model, bound to what that model declares."""

    @property
    def known(self) -> C | None:
        """The binding, where it was made already."""
        ...

    async def bound(self) -> C:
        """The binding, made on first use. UpstreamError while that cannot be."""
        ...

    @property
    def asked(self) -> Asked:
        """Who is asked for health: the transport, with the model's readiness as this backend sees it."""
        ...

    async def ready(self) -> bool: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Looks:
    """How often a pool looks. Seconds; ``failures``: probes in a row before a Triton counts as down. ``stall_seconds``:
    without any token of what runs there; 0: never."""

    period_seconds: float = 2.0
    timeout_seconds: float = 2.0
    failures: int = 2
    load_seconds: float = 2.0
    stall_seconds: float = 120.0

    def watchdog(self) -> Watchdog:
        """Looked at with each probe, which takes its period and four answers at most."""
        return Watchdog(
            self.stall_seconds,
            belief_seconds=min(30.0, self.stall_seconds),
            asleep_seconds=2 * self.period_seconds + 8 * self.timeout_seconds,
        )


@dataclass(slots=True, eq=False)
class Member(Generic[B]):
    """One Triton of a pool. ``lost`` is done while it is down: who waits there for a first piece may go elsewhere."""

    place: Place
    backend: B
    lost: asyncio.Future[None]
    watchdog: Watchdog
    health: Health = field(default_factory=lambda: Health(False, False))
    failures: int = 0
    users: int = 0
    listed: bool = True
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Leased(Generic[B]):
    """A Triton for one request, until ``Pool.release``."""

    member: Member[B]
    lease: Lease

    @property
    def address(self) -> str:
        return self.member.place.address

    @property
    def backend(self) -> B:
        return self.member.backend

    @property
    def lost(self) -> asyncio.Future[None]:
        return self.member.lost


async def any_bound(name: str, backends: Sequence[Served[C]]) -> C:
    """The binding of one of these backends of the model ``name``, to check requests by. UpstreamError while there is
    none."""
    for backend in backends:
        known = backend.known
        if known is not None:
            return known
    reason: UpstreamError = UpstreamUnavailable(
        f"No Triton is known for the model '{name}' right now. Try again shortly."
    )
    for backend in backends:
        try:
            return await backend.bound()
        except UpstreamError as exc:
            reason = exc
    raise reason
