"""Both transports, so that the same tests run on each, and a small tritonserver that tests may stop and kill, so long
as they leave it running and its model loaded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.triton.grpc_transport import GrpcTransport
from gateway.triton.h2.transport import H2Transport
from gateway.triton.transport import Transport
from tests.support.lone_triton import LoneTriton, lone_triton, write_meter

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


GAUGES = {
    "nv_trt_llm_request_metrics": {"active": 7, "scheduled": 5, "max": 64, "context": 1},
    "nv_trt_llm_kv_cache_block_metrics": {"max": 200, "used": 50, "free": 150, "tokens_per": 64},
}


@pytest.fixture(scope="session")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneTriton]:
    """It shows GAUGES on its metrics page."""
    folder = tmp_path_factory.mktemp("lone")
    with lone_triton(folder, write_meter(folder / "repository", GAUGES)) as server:
        yield server
