"""All Tritons of one served model: found, connected, probed, and leased to requests.

It knows when to look and whom to ask, and keeps one backend per Triton for as long as it is listed or in use. Who of
them takes a request is ``core.balance``'s to say; what is sent is the caller's. It must not know requests or HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator
from dataclasses import replace
from typing import Any, Generic, TypeVar

from gateway.core.balance import Endpoint, EndpointState, Fleet, Load, Outcome, State, Work
from gateway.core.errors import SettingsError, UpstreamUnavailable
from gateway.core.places import Place
from gateway.triton.discovery import Source
from gateway.triton.load import LoadReader
from gateway.triton.look import Look
from gateway.triton.member import Leased, Looks, Member, Served
from gateway.triton.probe import Disagreement, Health, Probe, disagreement

logger = logging.getLogger("gateway.triton")

B = TypeVar("B", bound=Served[Any])

_USABLE = (State.UP, State.UNKNOWN, State.HALF_OPEN)


class Pool(Generic[B]):
    """Leases backends. ``start`` and ``close`` belong to the event loop that uses it."""

    def __init__(
        self,
        name: str,
        source: Source,
        connect: Callable[[str], B],
        fleet: Fleet,
        *,
        looks: Looks | None = None,
        engine: str | None = None,
        freed: Callable[[], None] = lambda: None,
        ended: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """``connect`` makes the backend of an address. ``engine``: the Triton model whose load counts; None: any.
        ``freed`` is called whenever a request may find room, ``ended`` with how each ended at a Triton."""
        self.name = name
        self._source = source
        self._connect = connect
        self._fleet = fleet
        self._looks = looks or Looks()
        self._look = Look(self._looks.timeout_seconds, self._found_ready)
        self._engine = engine
        self._freed = freed
        self._ended = ended
        self._members: dict[str, Member[B]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._listed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._disagreement: Disagreement | None = None
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    async def start(self) -> None:
        """Finds the Tritons and looks at each once, as long as that takes within its bounds. Never raises."""
        self._watch = asyncio.ensure_future(self._source.watch(self._update))
        self._watch.add_done_callback(_died)
        listed = asyncio.ensure_future(self._listed.wait())
        await asyncio.wait([self._watch, listed], return_when="FIRST_COMPLETED")
        listed.cancel()
        await self._looked()

    async def close(self) -> None:
        """Lets nobody in any more, and closes every backend."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        self._update(())
        for member in list(self._members.values()):
            self._forget(member)
        await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def backends(self) -> list[B]:
        """The backends of Tritons that are listed, those first that can be used."""
        states = {state.address: state.state for state in self.states()}
        listed = [member for member in self._members.values() if member.listed]
        listed.sort(key=lambda member: states.get(member.place.address) not in _USABLE)
        return [member.backend for member in listed]

    def states(self) -> tuple[EndpointState, ...]:
        return self._fleet.states(self._now())

    def health(self, address: str) -> Health | None:
        """What the last probe of that Triton found."""
        member = self._members.get(address)
        return None if member is None else member.health

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """A request that was let in by this pool, or waits to be: while there is one, the pool must not be closed."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def unused(self) -> None:
        """Waits for the end of the last request inside of ``used``, which has deadlines."""
        await self._unused.wait()

    def room(self) -> bool:
        """Whether a request would be leased a Triton now, or none is up and looking is all that can be done."""
        return self._fleet.room(self._now()) or not self._up()

    def ready(self) -> bool:
        """Whether at least one Triton serves the model, as far as the last probes say."""
        return any(
            state.state is State.UP or (state.state is State.HALF_OPEN and self._members[state.address].health.ready)
            for state in self.states()
            if state.address in self._members
        )

    async def lease(self, work: Work, *, exclude: Collection[str] = ()) -> Leased[B]:
        """A Triton for this work, other than those in ``exclude``. UpstreamUnavailable where there is none."""
        lease = self._fleet.lease(work, self._now(), exclude=exclude)
        if lease is None and not self._up(exclude):
            # All are down as far as the last probes say; the client need not wait for the next.
            await self._looked(exclude)
            lease = self._fleet.lease(work, self._now(), exclude=exclude)
        if lease is None:
            raise UpstreamUnavailable(self._why_not(exclude))
        member = self._members[lease.address]
        member.users += 1
        member.watchdog.started(self._now())
        return Leased(member, lease)

    def first(self, leased: Leased[B]) -> None:
        """Its first piece came."""
        now = self._now()
        self._fleet.first(leased.lease, now)
        leased.member.watchdog.progress(now)

    def progress(self, leased: Leased[B], tokens: int) -> None:
        now = self._now()
        self._fleet.progress(leased.lease, tokens, now)
        leased.member.watchdog.progress(now)

    def release(self, leased: Leased[B], outcome: Outcome) -> None:
        """The request is over there."""
        self._fleet.release(leased.lease, self._now(), outcome)
        self._ended(outcome)
        member = leased.member
        member.users -= 1
        member.watchdog.ended(self._now(), well=outcome is Outcome.OK)
        if not member.listed and not member.users:
            self._forget(member)
        self._freed()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _up(self, exclude: Collection[str] = ()) -> bool:
        return any(state.state in _USABLE for state in self.states() if state.address not in exclude)

    def _why_not(self, exclude: Collection[str]) -> str:
        if not self._members:
            return f"No Triton is known for the model '{self.name}' right now. Try again shortly."
        if self._up(exclude):
            return f"Every server of the model '{self.name}' is at its limit. Try again shortly."
        return f"The model server behind '{self.name}' is not available right now. Try again shortly."

    def _update(self, places: tuple[Place, ...]) -> None:
        """The list of Tritons is this from now on."""
        listed = {place.address: place for place in places}
        for address, place in listed.items():
            member = self._members.get(address)
            if member is not None and member.place.metrics == place.metrics:
                member.place = place
                if not member.listed:
                    member.listed = True
                    self._attend(member)
                continue
            if member is not None:
                self._dismiss(member)
                self._members.pop(address, None)
            try:
                backend = self._connect(address)
            except SettingsError as exc:  # files of TLS that were good at the start
                logger.error(
                    "Triton %s of '%s' is left out until the settings are read again: %s", address, self.name, exc
                )
                continue
            lost = asyncio.get_running_loop().create_future()
            self._members[address] = fresh = Member(place, backend, lost, self._looks.watchdog())
            self._attend(fresh)
        for address, member in list(self._members.items()):
            if address not in listed and member.listed:
                self._dismiss(member)
        connected = [place for place in places if place.address in self._members]
        self._fleet.update([Endpoint(place.address, place.weight) for place in connected], self._now())
        self._listed.set()
        self._freed()

    def _attend(self, member: Member[B]) -> None:
        """Looks at a Triton from now on."""
        looks, address = self._looks, member.place.address
        probe = Probe(
            member.backend.asked, self.name, period_seconds=looks.period_seconds, timeout_seconds=looks.timeout_seconds
        )
        member.tasks = [asyncio.ensure_future(probe.run(lambda health: self._probed(member, health)))]
        if member.place.metrics is not None:
            reader = LoadReader(member.place.metrics, model=self._engine, timeout_seconds=looks.timeout_seconds)
            member.tasks.append(asyncio.ensure_future(self._measure(address, reader)))
        for task in member.tasks:
            task.add_done_callback(_died)

    def _dismiss(self, member: Member[B]) -> None:
        """No longer listed: what runs there may end, then it is closed."""
        member.listed = False
        for task in member.tasks:
            task.cancel()
        if not member.users:
            self._forget(member)

    def _forget(self, member: Member[B]) -> None:
        if self._members.get(member.place.address) is member:
            del self._members[member.place.address]
        member.lost.cancel()
        self._background(member.backend.close())

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _probed(self, member: Member[B], health: Health) -> None:
        address, before = member.place.address, member.health
        if health.ready and not before.up:
            member.watchdog.restarted(self._now())
        stalled = health.ready and member.watchdog.stalled(self._now())
        if stalled:
            reason = f"says that it is ready, but none of its requests got a token for {self._looks.stall_seconds:g} s"
            health = replace(health, ready=False, reason=reason)
        member.failures = 0 if health.up else member.failures + 1
        # One answer that fails to come says little; "not ready" is Triton's own word.
        if before.ready and not health.up and member.failures < self._looks.failures:
            return
        member.health = health
        if health.ready and member.lost.done():
            member.lost = asyncio.get_running_loop().create_future()
        elif not health.ready and not member.lost.done() and (not stalled or self._up([address])):
            # Without another to go to, who waits for a stalled one may still get what is only slow.
            member.lost.set_result(None)
        self._fleet.probed(address, health.up, health.ready, self._now())
        if before.ready != health.ready or (not health.ready and before.reason != health.reason):
            say = logger.info if health.ready else logger.warning
            say("Triton %s of '%s': %s", address, self.name, "ready" if health.ready else health.reason or "not ready")
        found = disagreement({m.place.address: m.health for m in self._members.values() if m.listed})
        if found is not None and found != self._disagreement:
            logger.warning("model '%s': %s", self.name, found.text)
        self._disagreement = found
        self._freed()

    async def _measure(self, address: str, reader: LoadReader) -> None:
        while True:
            load = await reader.read()
            self._fleet.measured(address, load or Load(), self._now())
            await asyncio.sleep(self._looks.load_seconds)

    async def _looked(self, exclude: Collection[str] = ()) -> None:
        """Looks at every Triton that is not excluded, until one is ready or all said no."""
        await self._look.at([m for address, m in self._members.items() if m.listed and address not in exclude])

    def _found_ready(self, member: Member[B]) -> None:
        self._probed(member, Health(True, True, member.health.version, member.health.signature))


def _died(task: asyncio.Task[None]) -> None:
    """A task that is meant to run for ever ended by itself: a mistake of ours, which must not go unseen."""
    if not task.cancelled() and task.exception() is not None:
        logger.error("A look-out for Tritons ended. Restart the gateway, and report this.", exc_info=task.exception())
