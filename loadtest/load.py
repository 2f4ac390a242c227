"""Open and closed loops of clients. It knows when to ask; it must not know what the answers mean."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator

from loadtest.ask import Ask, Seen
from loadtest.client import Client

Told = Callable[[Seen], None]


async def closed_loop(client: Client, asks: Iterable[Ask], *, clients: int, told: Told | None = None) -> list[Seen]:
    """So many clients, each with one request at a time, until ``asks`` is used up.

    ``told`` hears of every answer as it ends; where it is given, nothing is kept, so that long runs stay small.
    """
    seen: list[Seen] = []
    hear = told or seen.append
    source = iter(asks)

    async def one() -> None:
        for ask in source:
            hear(await client.ask(ask))

    await _all([asyncio.ensure_future(one()) for _ in range(clients)])
    return seen


async def open_loop(
    client: Client, asks: Iterable[Ask], *, rate: float, seed: int = 1, told: Told | None = None
) -> list[Seen]:
    """Requests at Poisson's moments, ``rate`` a second on average, however slow the answers are."""
    loop = asyncio.get_running_loop()
    seen: list[Seen] = []
    hear = told or seen.append
    tasks: set[asyncio.Task[None]] = set()
    start = loop.time()

    async def one(ask: Ask) -> None:
        hear(await client.ask(ask))

    try:
        for ask, at in zip(asks, arrivals(rate, seed), strict=False):
            await asyncio.sleep(max(0.0, start + at - loop.time()))
            task = asyncio.ensure_future(one(ask))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    except asyncio.CancelledError:
        for task in list(tasks):
            task.cancel()
        raise
    finally:
        await _all(list(tasks))
    return seen


def arrivals(rate: float, seed: int) -> Iterator[float]:
    """Seconds from the start; the seed makes a run repeatable."""
    generator = random.Random(seed)
    at = 0.0
    while True:
        at += generator.expovariate(rate)
        yield at


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
