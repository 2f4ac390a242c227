"""Work on long texts, beside the event loop. It knows asyncio; it must not know the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Characters past which work goes to a thread: tens of milliseconds for one client would stall every other stream.
LONG_TEXT = 16 * 1024


async def offloaded(work: Callable[[], T], size: int) -> T:
    """The work's result; in a thread where it is about more than ``LONG_TEXT`` characters."""
    return await asyncio.to_thread(work) if size > LONG_TEXT else work()
