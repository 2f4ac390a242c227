"""Work on long texts, beside the event loop. It knows asyncio; it must not know the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Characters past which work goes to a thread, so that no stream waits for it: a thousand tokens take a tokenizer
# 1 to 3 ms (``loadtest.bench.prompt``). A thread of its own costs a tenth of one.
LONG_TEXT = 4 * 1024
# Reading JSON takes a hundredth of that for a long text, but a body may as well be thousands of short messages.
LONG_BODY = 32 * 1024


async def offloaded(work: Callable[[], T], size: int, *, long: int = LONG_TEXT) -> T:
    """The work's result; in a thread where it is about more than ``long`` characters."""
    return await asyncio.to_thread(work) if size > long else work()
