"""Waiting for what cannot tell: a file that grows, a process that starts, a count behind HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_PAUSE_SECONDS = 0.05


async def wait_until(look: Callable[[], bool], timeout: float) -> bool:
    """Whether ``look`` (blocking, so in a thread) came true in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not await asyncio.to_thread(look):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_PAUSE_SECONDS)
    return True
