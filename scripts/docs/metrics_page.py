"""reference/metrics.md: every metric, from the objects that count."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

from gateway.metrics import Metrics
from scripts.docs.table import code, table

INTRODUCTION = """\
# Metrics

What `GET /metrics` tells, in Prometheus' format. With several [workers](settings.md#server) it is the sum of all, whichever answers.
Labels have few values: names of configured models, and words of the gateway; nothing a client sends becomes one. Rules, alerts and
a dashboard are in `deploy/prometheus` and `deploy/grafana`.

"""
_SUFFIX = {"counter": "_total", "histogram": ""}


def page() -> str:
    """The whole page."""
    rows = []
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            [family] = metric.describe()
            name = family.name + _SUFFIX.get(family.type, "")
            labels = ", ".join(code(label) for label in metric._labelnames)
            rows.append((code(name), family.type, labels, family.documentation))
    outcomes = (
        "\n`outcome` of `gateway_requests_total` is `stop`, `length` or `tool_calls` as a generation finished, `cancelled` "
        "where the client left, or the [code of the error](errors.md).\n"
    )
    return INTRODUCTION + table(("metric", "type", "labels", "meaning"), sorted(rows)) + outcomes
