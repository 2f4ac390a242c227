"""How a request that nobody reads any more comes to its end in Triton, whatever carries it: the one place.

A request whose last response was read, or is about to come, is left to end by itself. One that is left early is asked
to end from inside, where the engine has an input for that, and cancelled where it has none or does not end in time
(``Call`` says why).

It knows two ways to end. It must not know the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

END_SECONDS = 2.0  # for a request to come to its end by itself, before it is cancelled


class Rpc(Protocol):
    """A request in flight."""

    async def drained(self) -> None:
        """Comes back when it is over, well or not. What it still brings is dropped."""
        ...

    async def cancel(self) -> None:
        """Ends it from outside; nothing happens where it is over."""
        ...


class Endings:
    """The requests of one transport that are on their way to an end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def finished(self, rpc: Rpc) -> None:
        """The last response was read, or is on its way."""
        self._background(self._end(rpc.drained(), rpc))

    def left(self, rpc: Rpc, stop: Callable[[], Awaitable[None]] | None) -> None:
        """It was left early. ``stop`` asks the engine to end it and raises nothing; None: there is no such way."""
        self._background(rpc.cancel() if stop is None else self._end(_stopped(rpc, stop), rpc))

    async def over(self) -> None:
        """All have ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs on its own: whoever asks for it may be being cancelled."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, itself: Coroutine[Any, Any, None], rpc: Rpc) -> None:
        try:
            await asyncio.wait_for(itself, END_SECONDS)
        except asyncio.TimeoutError:
            pass  # then it is cancelled
        finally:
            await rpc.cancel()


async def _stopped(rpc: Rpc, stop: Callable[[], Awaitable[None]]) -> None:
    await stop()
    await rpc.drained()
