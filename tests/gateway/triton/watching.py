"""A list of Tritons as its watcher hears of it, to be waited for by what it says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from gateway.core.places import Place
from gateway.triton.discovery import Source

WAIT_SECONDS = 20


class Heard:
    """Every list that came, in order."""

    def __init__(self) -> None:
        self.lists: list[tuple[Place, ...]] = []
        self._more = asyncio.Event()

    def __call__(self, places: tuple[Place, ...]) -> None:
        self.lists.append(places)
        self._more.set()

    @property
    def addresses(self) -> list[str]:
        return [place.address for place in self.lists[-1]] if self.lists else []

    async def until(self, met: Callable[[], bool]) -> None:
        async def wait() -> None:
            while not met():
                self._more.clear()
                await self._more.wait()

        await asyncio.wait_for(wait(), WAIT_SECONDS)


@contextlib.asynccontextmanager
async def watched(source: Source) -> AsyncIterator[Heard]:
    """The watcher while it runs; it has heard the first list."""
    heard = Heard()
    watch = asyncio.ensure_future(source.watch(heard))
    try:
        await heard.until(lambda: bool(heard.lists) or watch.done())
        yield heard
        assert not watch.done(), watch.exception()
    finally:
        watch.cancel()
        await asyncio.wait({watch})


class Names:
    """A name server that says what it is told, in place of the system's resolver. It counts the questions."""

    def __init__(self, *answers: list[str] | OSError) -> None:
        self._answers: Iterator[list[str] | OSError] = iter(answers)
        self._last: list[str] | OSError = []
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self._last = next(self._answers, self._last)
        self.asked += 1
        if isinstance(self._last, OSError):
            raise self._last
        return self._last
