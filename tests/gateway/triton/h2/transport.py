"""Our transport, closed at the end, and the messages that servers of tests answer it with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.triton.h2.transport import H2Transport
from tests.gateway.triton.server import response

ONE = response(1).SerializeToString()
TWO = response(2).SerializeToString()
LAST = response(3, final=True).SerializeToString()


@asynccontextmanager
async def h2(address: str, **options: Any) -> AsyncIterator[H2Transport]:
    transport = H2Transport(address, **options)
    try:
        yield transport
    finally:
        await transport.close()
