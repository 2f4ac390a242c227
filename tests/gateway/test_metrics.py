"""What a scraper reads."""

from __future__ import annotations

from gateway.metrics import Gaps, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


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


def test_what_is_expected_is_there_at_zero() -> None:
    metrics = Metrics()
    metrics.expect(["qwen"])
    assert value(metrics, "gateway_queue_requests", model="qwen") == 0
    assert value(metrics, "gateway_upstream_errors_total", model="qwen", kind="silent") == 0
    assert value(metrics, "gateway_not_admitted_total", model="qwen", reason="full") == 0
