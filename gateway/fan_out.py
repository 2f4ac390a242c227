"""Several streams as one, in the order in which things come. It knows asyncio; it must not know what flows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

# What may wait for a slow reader, of all streams together; then the streams wait.
WAITING = 64


async def merged(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """What any of the streams gives, until all have ended. The first error ends all of them; so does closing."""
    # An item in a tuple, an error, or None where a stream has ended.
    queue: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue(WAITING)

    async def pump(stream: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(stream):
                async for item in stream:
                    await queue.put((item,))
            await queue.put(None)
        except Exception as exc:
            await queue.put(exc)

    tasks = [asyncio.ensure_future(pump(stream)) for stream in streams]
    running = len(tasks)
    try:
        while running:
            given = await queue.get()
            if isinstance(given, Exception):
                raise given
            if given is None:
                running -= 1
            else:
                yield given[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
