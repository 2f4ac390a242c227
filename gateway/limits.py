"""Counting what keys use in a minute: in this process, or in Redis for all gateways together.

It knows counters by name and their limits; the counting itself is the ``limits`` library's sliding window. It must not
know requests or keys. Redis away is never an error of a request's own: nothing waits for it longer than the timeout,
nothing asks it until it is back, and meanwhile each gateway counts alone (``open``) or lets nobody in (``closed``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from limits.aio.storage import MemoryStorage, RedisStorage

from gateway.core.errors import LimitsUnavailable
from gateway.core.window import SECONDS, Window

logger = logging.getLogger("gateway.limits")

CONNECTIONS = 32  # to Redis, of one process
BETWEEN_TRIES = 1.0  # seconds, while Redis is away
_NO_LIMIT = 2**53

Storage = MemoryStorage | RedisStorage
T = TypeVar("T")


class Limiter:
    """All counters. Opened and closed inside the event loop that uses it."""

    def __init__(
        self,
        redis: str = "",
        *,
        away: Literal["open", "closed"] = "open",
        timeout: float = 0.5,
        prefix: str = "gateway",
    ) -> None:
        """``redis``: its URL; empty: this process counts alone. ``timeout``: seconds for all of one question."""
        self._alone = MemoryStorage()
        self._away = away
        self._timeout = timeout
        self._reachable = True
        self._corrections: set[asyncio.Task[None]] = set()
        self._return: asyncio.Task[None] | None = None  # what waits for Redis to come back
        self._shared: RedisStorage | None = None
        self._errors: tuple[type[Exception], ...] = (OSError, asyncio.TimeoutError)  # what Redis away looks like
        if redis:
            from redis.asyncio import BlockingConnectionPool, Redis  # a tenth of a second, for those who have one
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError

            self._errors += (RedisError,)
            self._place = _place(redis)
            self._pool = BlockingConnectionPool.from_url(
                redis,
                max_connections=CONNECTIONS,
                timeout=timeout,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),
            )
            client: Any = {"connection_pool": self._pool}
            self._client = Redis(**client)
            self._shared = RedisStorage("async+redis://", implementation="redispy", key_prefix=prefix, **client)

    @property
    def shared(self) -> bool:
        """Whether gateways count together now."""
        return self._shared is not None and self._reachable

    async def open(self) -> None:
        """Looks whether Redis is there, so that the log says at the start if it is not."""
        if self._shared is not None:
            await self._asked(self._shared, lambda _: self._ping())

    async def close(self) -> None:
        """Ends what runs in the background; what is still to be counted gets the time of one question."""
        if self._corrections:
            await asyncio.wait(self._corrections, timeout=self._timeout)
        tasks = [*self._corrections, *([self._return] if self._return else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._shared is not None:
            with suppress(*self._errors):
                await asyncio.wait_for(self._pool.disconnect(), self._timeout)

    async def take(self, name: str, limit: int, cost: int) -> tuple[bool, Window]:
        """Counts ``cost`` if it fits into the limit. Whether it did, and how the window stands after."""

        async def work(storage: Storage) -> tuple[bool, Window]:
            granted = await storage.acquire_sliding_window_entry(name, limit, SECONDS, cost)
            return granted, await _window(storage, name, limit)

        return await self._counted(work)

    def correct(self, name: str, amount: int) -> None:
        """Counts ``amount``, which may be negative, whatever the limit. Later, in the background: nobody waits."""
        task = asyncio.ensure_future(self._corrected(name, amount))
        self._corrections.add(task)
        task.add_done_callback(self._corrections.discard)

    async def _corrected(self, name: str, amount: int) -> None:
        async def work(storage: Storage) -> None:
            change = amount
            if amount < 0:  # what was taken in the minute before has begun to weigh less by itself
                window = await _window(storage, name, 0)
                change = -min(-amount, max(0, window.current))
            if change:
                await storage.acquire_sliding_window_entry(name, _NO_LIMIT, SECONDS, change)

        with suppress(LimitsUnavailable):
            await self._counted(work)

    async def _counted(self, work: Callable[[Storage], Awaitable[T]]) -> T:
        if self._shared is not None and self._reachable:
            found = await self._asked(self._shared, work)
            if found is not None:
                return found[0]
        if self._shared is not None and self._away == "closed":
            raise LimitsUnavailable("The limits of keys cannot be checked at the moment. Try again.")
        return await work(self._alone)

    async def _asked(self, storage: RedisStorage, work: Callable[[RedisStorage], Awaitable[T]]) -> tuple[T] | None:
        """What Redis gives; None where it is away, which is noted."""
        try:
            return (await asyncio.wait_for(work(storage), self._timeout),)
        except self._errors as exc:
            if self._reachable:
                self._reachable = False
                does = "each gateway counts alone" if self._away == "open" else "requests get 503"
                logger.error("Redis at %s is away (%s): until it is back, %s.", self._place, _why(exc), does)
                self._return = asyncio.ensure_future(self._until_back())
            return None

    async def _until_back(self) -> None:
        while not self._reachable:
            await asyncio.sleep(BETWEEN_TRIES)
            with suppress(*self._errors):
                await asyncio.wait_for(self._ping(), self._timeout)
                self._reachable = True
        logger.info("Redis at %s is back: gateways count together again.", self._place)

    async def _ping(self) -> None:
        await self._client.ping()


async def _window(storage: Storage, name: str, limit: int) -> Window:
    return Window(limit, *await storage.get_sliding_window(name, SECONDS))


def _place(url: str) -> str:
    """Where Redis is, without the password that the URL may hold."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


def _why(exc: BaseException) -> str:
    return "no answer in time" if isinstance(exc, asyncio.TimeoutError) else f"{type(exc).__name__}: {exc}"
