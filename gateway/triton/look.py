"""A look at several Tritons at once, which all who wait for one share.

It knows how to ask and when enough is known. It must not know what follows from it: ``pool`` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from gateway.core.errors import UpstreamError
from gateway.triton.member import Member, Served

B = TypeVar("B", bound=Served[Any])


class Look(Generic[B]):
    """One at a time: who asks while one goes on waits for that."""

    def __init__(self, timeout_seconds: float, ready: Callable[[Member[B]], None]) -> None:
        """``ready`` is told of each Triton that says so."""
        self._timeout_seconds = timeout_seconds
        self._ready = ready
        self._going_on: asyncio.Task[None] | None = None

    async def at(self, members: Sequence[Member[B]]) -> None:
        """Returns when one of them is ready, or all said no or nothing."""
        if not members:
            return
        if self._going_on is None or self._going_on.done():
            self._going_on = asyncio.ensure_future(self._at(members))
        await asyncio.shield(self._going_on)

    async def _at(self, members: Sequence[Member[B]]) -> None:
        looks = {asyncio.ensure_future(self._one(member)) for member in members}
        pending = looks
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when="FIRST_COMPLETED")
                if any(look.result() for look in done):
                    return
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)

    async def _one(self, member: Member[B]) -> bool:
        try:
            ready = await asyncio.wait_for(member.backend.ready(), self._timeout_seconds)
        except (UpstreamError, asyncio.TimeoutError):
            return False
        if ready:
            self._ready(member)
        return ready
