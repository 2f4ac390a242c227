"""Both transports, so that the same tests run on each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from gateway.triton.grpc_transport import GrpcTransport
from gateway.triton.h2.transport import H2Transport
from gateway.triton.transport import Transport

KINDS: dict[str, Callable[..., Any]] = {"grpc": GrpcTransport, "h2": H2Transport}

Connect = Callable[..., Transport]


@pytest_asyncio.fixture(params=list(KINDS))
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes transports of one kind; they are closed after the test."""
    made: list[Transport] = []

    def make(endpoint: str, **options: Any) -> Transport:
        made.append(KINDS[request.param](endpoint, **options))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
