"""What one generation leaves in the metrics, whatever became of it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.core.errors import GatewayError, Overloaded, UpstreamTimeout
from gateway.core.types import Finish, Usage
from gateway.metrics import Gaps, Metrics, recorders


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_generation_from_its_first_text_to_its_end() -> None:
    metrics = Metrics()
    with metrics.recorder("qwen", 7) as record:
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
    with contextlib.suppress(type(error)), metrics.recorder("qwen", 7):
        raise error
    assert value(metrics, "gateway_requests_total", model="qwen", outcome=outcome) == 1
    assert value(metrics, "gateway_requests_in_flight", model="qwen") == 0
    assert value(metrics, "gateway_time_to_first_token_seconds_count", model="qwen") is None


def test_many_observations_at_once_are_what_they_would_be_one_by_one() -> None:
    bounds, seen = (0.1, 1.0), (0.05, 0.1, 0.5, 3.0, 4.0)
    one, many = (Gaps("gaps", "", buckets=bounds, registry=None) for _ in range(2))
    for each in seen:
        one.observe(each)
    many.add([2, 1, 2], sum(seen))
    samples = [
        [sample for family in each.collect() for sample in family.samples if not sample.name.endswith("_created")]
        for each in (one, many)
    ]
    assert samples[0] == samples[1]


async def test_a_request_gathers_its_generations() -> None:
    metrics = Metrics()
    recorders.set([])

    async def generation(model: str) -> tuple[str, str]:
        with metrics.recorder(model, 1) as record:
            await asyncio.sleep(0)
        return model, record.outcome

    await asyncio.gather(generation("a"), generation("b"))
    assert [record.model for record in recorders.get() or []] == ["a", "b"]


def test_what_is_expected_is_there_at_zero() -> None:
    metrics = Metrics()
    metrics.expect(["qwen"])
    assert value(metrics, "gateway_queue_requests", model="qwen") == 0
    assert value(metrics, "gateway_upstream_errors_total", model="qwen", kind="silent") == 0
    assert value(metrics, "gateway_not_admitted_total", model="qwen", reason="full") == 0
