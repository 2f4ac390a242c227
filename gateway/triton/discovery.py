"""Which Tritons there are now: a fixed list, a DNS name that resolves to many, or a watched file.

It knows names, files and when to look again. It must not know what Tritons serve, nor whether they answer: ``probe``
does. What cannot be read or resolved leaves the last good list in force, and one line in the log until that changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.core.errors import SettingsError
from gateway.core.places import Place, address, host_of, listed, without_doubles

logger = logging.getLogger("gateway.triton")

T = TypeVar("T")
Changed = Callable[[tuple[Place, ...]], None]
# A name's addresses, each as a URL has it (IPv6 in brackets), for a host and a port. OSError where there are none.
Resolve = Callable[[str, int], Sequence[str]]

DNS_SECONDS = 10.0  # between two looks at a name: Kubernetes takes as long to notice a dead pod
FILE_SECONDS = 1.0  # between two looks at a file
LOOK_SECONDS = 5.0  # for one look, before the log says that it hangs
_MAX_BYTES = 1024 * 1024
_JITTER = 0.2  # share of a period by which it varies, so that many gateways do not ask at once


class Source(Protocol):
    """A list of places that may change."""

    async def watch(self, changed: Changed) -> None:
        """Calls ``changed`` after the first look, even with an empty list, and on every change. Runs until cancelled.

        A look takes LOOK_SECONDS at most, and a fixed list none. ``changed`` runs in the event loop."""
        ...


def source(
    spec: Sequence[str],
    *,
    metrics: str | None = None,
    dns_seconds: float = DNS_SECONDS,
    file_seconds: float = FILE_SECONDS,
    resolve: Resolve | None = None,
    random: Callable[[], float] = random.random,
) -> Source:
    """The source of what a model's ``triton`` setting says: any mix of HOST:PORT, dns:NAME:PORT and file:PATH.

    ``metrics``: a URL of Triton's metrics with {host}, for places that bring none. SettingsError for another form.
    """
    fixed: list[Place] = []
    sources: list[Source] = []
    for text in spec:
        if text.startswith("file:"):
            sources.append(File(Path(text.removeprefix("file:")), seconds=file_seconds))
            continue
        try:
            place = address(text.removeprefix("dns:"))
        except ValueError as exc:
            raise SettingsError(f"triton: {exc}.") from exc
        if text.startswith("dns:"):
            host, port = host_of(place), int(place.rpartition(":")[2])
            sources.append(Dns(host, port, seconds=dns_seconds, resolve=resolve, random=random))
        else:
            fixed.append(Place(place))
    if fixed or not sources:
        sources.insert(0, Fixed(fixed))
    return Together(sources, metrics)


class Together:
    """Several sources as one list: an address once, in the order of the sources, with its metrics' URL."""

    def __init__(self, sources: Sequence[Source], metrics: str | None = None) -> None:
        self._sources = sources
        self._metrics = metrics

    async def watch(self, changed: Changed) -> None:
        lists: list[tuple[Place, ...] | None] = [None] * len(self._sources)
        doubles: tuple[str, ...] = ()
        last: tuple[Place, ...] | None = None

        def take(index: int, places: tuple[Place, ...]) -> None:
            nonlocal doubles, last
            lists[index] = places
            merged, doubled = without_doubles(self._with_metrics(place) for each in lists for place in each or ())
            if doubled and doubled != doubles:
                logger.warning(
                    "Triton %s is listed more than once; the first entry counts. Remove the others.", _some(doubled)
                )
            doubles = doubled
            if merged != last:
                last = merged
                changed(merged)

        watches = [
            asyncio.ensure_future(each.watch(lambda places, index=index: take(index, places)))  # type: ignore[misc]
            for index, each in enumerate(self._sources)
        ]
        try:
            await asyncio.gather(*watches)
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    def _with_metrics(self, place: Place) -> Place:
        if place.metrics is not None or self._metrics is None:
            return place
        return Place(place.address, place.weight, self._metrics.replace("{host}", host_of(place.address)))


class Fixed:
    """A list that never changes."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)

    async def watch(self, changed: Changed) -> None:
        changed(self._places)
        await asyncio.Event().wait()


class Dns:
    """The addresses of a name, looked up again and again: a headless service of Kubernetes, or round-robin DNS."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        seconds: float = DNS_SECONDS,
        resolve: Resolve | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._host, self._port = host, port
        self._seconds = seconds
        self._resolve = resolve or addresses
        self._random = random

    async def watch(self, changed: Changed) -> None:
        looks = _Looks(f"the addresses of {self._host}", "Check the name and the DNS server.")
        last: tuple[Place, ...] | None = None
        while True:
            try:
                found = await looks.look(lambda: self._resolve(self._host, self._port))
                # Sorted, because DNS servers rotate their answers.
                places = None if found is None else tuple(Place(f"{each}:{self._port}") for each in sorted(set(found)))
            except (OSError, UnicodeError) as exc:
                looks.bad(str(getattr(exc, "strerror", None) or exc))
                places = None
            if places:
                looks.good()
            elif places is not None:
                looks.bad("it has none")
            if (places and places != last) or last is None:
                last = places or ()
                logger.info("%s has %d addresses: %s", self._host, len(last), _some(each.address for each in last))
                changed(last)
            await asyncio.sleep(self._seconds * (1 + _JITTER * (2 * self._random() - 1)))


class File:
    """A list in a file, read again and again: no time stamp can hide a change, and it may be a link or not be there.

    A change counts once two looks see the same: a file that is being written is seen in pieces.
    """

    def __init__(self, path: Path, *, seconds: float = FILE_SECONDS) -> None:
        self._path = path
        self._seconds = seconds

    async def watch(self, changed: Changed) -> None:
        looks = _Looks(f"the list of Tritons {self._path}", "Mend the file; it is read again on its own.")
        last: tuple[Place, ...] | None = None
        judged: bytes | None = None  # the content that is in force, or was found broken
        seen: bytes | None = None
        broken: str | None = None
        while True:
            try:
                content = await looks.look(self._read)
            except OSError as exc:
                looks.bad(exc.strerror or str(exc))
            else:
                if content is not None and content != judged and (content == seen or last is None):
                    judged = content
                    try:
                        places, broken = listed(_text(content)), None
                        if places != last:
                            last = places
                            logger.info("%s lists %d Tritons", self._path, len(places))
                            changed(places)
                    except ValueError as exc:
                        broken = str(exc)
                if content is not None and content == judged:
                    looks.bad(broken) if broken else looks.good()
                seen = content
            if last is None:
                last = ()
                changed(last)
            await asyncio.sleep(self._seconds)

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(_MAX_BYTES + 1)


class _Looks:
    """Looks at what may hang or fail: one at a time, beside the event loop, and one line in the log per trouble."""

    def __init__(self, what: str, advice: str) -> None:
        self._what, self._advice = what, advice
        self._running: asyncio.Future[object] | None = None
        self._trouble: str | None = None

    async def look(self, work: Callable[[], T]) -> T | None:
        """What the work returns or raises; None while it, or the work of an earlier look, takes too long."""
        if self._running is None:
            self._running = _beside(work)
        done, _ = await asyncio.wait({self._running}, timeout=LOOK_SECONDS)
        if not done:
            self.bad(f"no answer within {LOOK_SECONDS:g} s")
            return None
        running, self._running = self._running, None
        result: T = running.result()  # type: ignore[assignment]
        return result

    def bad(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            logger.error("Cannot get %s: %s. The last good list stays in force. %s", self._what, trouble, self._advice)

    def good(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            logger.info("Got %s again.", self._what)


def addresses(host: str, port: int) -> list[str]:
    """The system's resolver. It blocks, and takes as long as resolv.conf lets it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [f"[{item[4][0]}]" if item[0] is socket.AF_INET6 else str(item[4][0]) for item in found]


def _beside(work: Callable[[], object]) -> asyncio.Future[object]:
    """The work in a thread that nobody waits for at exit: a resolver may hang for half a minute."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[object] = loop.create_future()
    # Whoever waited may have been cancelled: then nobody asks how it went, and asyncio would complain.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def settle(result: object, error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except (OSError, ValueError) as exc:
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="look", daemon=True).start()
    return future


def _text(content: bytes) -> str:
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None


def _some(addresses: Iterable[str]) -> str:
    """At most ten, for a line of the log."""
    names = list(addresses)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") or "none"
