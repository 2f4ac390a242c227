"""Work that ends when its client leaves. It knows ASGI's ``receive``; it must not know what the work is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from gateway.core.errors import ClientDisconnected

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The work's result. Cancels it and raises ClientDisconnected when the client leaves first.

    The body must have been read: what is left to receive is the disconnect. Nothing else watches a client before the
    first byte of the response, and uvicorn cancels nothing by itself.
    """
    task = asyncio.ensure_future(work)
    watcher = leaving(receive)
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnected("The client left before the answer.")
    finally:
        task.cancel()
        watcher.cancel()
        await asyncio.gather(task, watcher, return_exceptions=True)


def leaving(receive: Receive) -> asyncio.Task[None]:
    """Ends when the client leaves, or has its whole answer. The body must have been read."""
    return asyncio.ensure_future(_disconnected(receive))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
