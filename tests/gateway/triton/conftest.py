"""A small tritonserver that tests may stop and kill, so long as they leave it running and its model loaded."""

from collections.abc import Iterator

import pytest

from tests.support.lone_triton import LoneTriton, lone_triton, write_meter

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
