"""How a request that nobody reads any more comes to its end in Triton, whatever carries it: the one place.

A request whose last response was read, or is about to come, is left to end by itself. One that is left early is asked
to end from inside, where the engine has an input for that, and cancelled where it has none or does not end in time: in
the moment in which it may be ending by itself it is given time for that (``Call`` says why).

It knows two ways to end. It must not know the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

END_SECONDS = 2.0  # for a request to come to its end by itself, before it is cancelled
# The same where nothing says that it will: what a stop string ends here, a stop word ends in the engine, as a rule.
SETTLE_SECONDS = 0.5


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
        self._background(self._end(rpc.drained(), rpc, END_SECONDS))

    def left(self, rpc: Rpc, stop: Callable[[], Awaitable[None]] | None, *, enough: bool) -> None:
        """It was left early. ``stop`` asks the engine to end it and raises nothing; None: there is no such way.
        ``enough``: the answer is over for its reader, so that the engine may be at its end, too."""
        if stop is not None:
            self._background(self._end(_stopped(rpc, stop), rpc, END_SECONDS))
        elif enough:
            self._background(self._end(rpc.drained(), rpc, SETTLE_SECONDS))
        else:
            self._background(rpc.cancel())

    async def over(self) -> None:
        """All have ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs on its own: whoever asks for it may be being cancelled."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, itself: Coroutine[Any, Any, None], rpc: Rpc, seconds: float) -> None:
        try:
            await asyncio.wait_for(itself, seconds)
        except asyncio.TimeoutError:
            pass  # then it is cancelled
        finally:
            await rpc.cancel()


async def _stopped(rpc: Rpc, stop: Callable[[], Awaitable[None]]) -> None:
    await stop()
    await rpc.drained()
