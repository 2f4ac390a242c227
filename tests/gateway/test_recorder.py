"""What one generation leaves in the metrics, whatever became of it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.core.errors import GatewayError, Overloaded, UpstreamTimeout
from gateway.core.types import Finish, Usage
from gateway.metrics import Metrics
from gateway.recorder import Recorder, recorders


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_generation_from_its_first_text_to_its_end() -> None:
    metrics = Metrics()
    with Recorder(metrics, "qwen", 7) as record:
        assert value(metrics, "gateway_requests_in_flight", model="qwen") == 1
        record.admitted(0.5)
        record.on("triton:8001")
        for moments in ([record.started + 1, record.started + 2], [], [record.started + 2.5, record.started + 3]):
            record.moments += moments
            record.count()
        record.finished(Finish("length", Usage(7, 5, 4, 2)))
    assert value(metrics, "gateway_requests_in_flight", model="qwen") == 0
    assert value(metrics, "gateway_requests_total", model="qwen", outcome="length") == 1
    assert value(metrics, "gateway_time_to_first_token_seconds_count", model="qwen") == 1
    assert value(metrics, "gateway_inter_token_seconds_bucket", model="qwen", le="+Inf") == 3
    assert value(metrics, "gateway_inter_token_seconds_sum", model="qwen") == pytest.approx(2)
    assert value(metrics, "gateway_inter_token_seconds_bucket", model="qwen", le="0.5") == 2
    tokens = ("prompt", "cached", "generated", "reasoning")
    assert [value(metrics, f"gateway_{kind}_tokens_total", model="qwen") for kind in tokens] == [7, 4, 5, 2]
    assert (record.queue_seconds, record.endpoint, record.outcome) == (0.5, "triton:8001", "length")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (Overloaded("full", retry_after=1), "overloaded"),
        (UpstreamTimeout("late"), "timeout"),
        (GatewayError("no code"), "server_error"),
    ],
    ids=["left", "overloaded", "timeout", "no-code"],
)
def test_one_that_never_began(error: BaseException, outcome: str) -> None:
    metrics = Metrics()
    with contextlib.suppress(type(error)), Recorder(metrics, "qwen", 7):
        raise error
    assert value(metrics, "gateway_requests_total", model="qwen", outcome=outcome) == 1
    assert value(metrics, "gateway_requests_in_flight", model="qwen") == 0
    assert value(metrics, "gateway_time_to_first_token_seconds_count", model="qwen") == 0


async def test_a_request_gathers_its_generations() -> None:
    metrics = Metrics()
    recorders.set([])

    async def generation(model: str) -> tuple[str, str]:
        with Recorder(metrics, model, 1) as record:
            await asyncio.sleep(0)
        return model, record.outcome

    await asyncio.gather(generation("a"), generation("b"))
    assert [record.model for record in recorders.get() or []] == ["a", "b"]
