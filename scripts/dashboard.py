"""Writes Grafana's dashboard from the table of panels; ``--check`` only says whether it is current.

It knows as much of Grafana's JSON as panels of lines need. Two panels stand in a row.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scripts.panels import ROWS, Panel
from scripts.written import written

PATH = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1,
        "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The whole."""
    panels: list[dict[str, Any]] = []
    top = 0
    for heading, row in ROWS:
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": heading, "collapsed": False, "panels": [],
             "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}
        )  # fmt: skip
        top += 1
        for number, panel in enumerate(row):
            place = {"x": 12 * (number % 2), "y": top + 8 * (number // 2), "w": 12, "h": 8}
            panels.append(_panel(len(panels) + 1, panel, place))
        top += 8 * ((len(row) + 1) // 2)
    return {
        "uid": "qwen-triton-gateway",
        "title": "Gateway",
        "tags": ["gateway", "triton"],
        "editable": True,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus",
                 "current": {"text": "Prometheus", "value": "prometheus"}},
                variable("instance", "label_values(gateway_build_info, instance)"),
                variable("model", 'label_values({__name__=~"gateway_model_ready|gateway_requests_total"}, model)'),
            ]
        },
        "panels": panels,
    }  # fmt: skip


def _panel(id: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": id,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.why,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": {
                    "fillOpacity": 20 if panel.stacked else 0,
                    "stacking": {"mode": "normal" if panel.stacked else "none"},
                },
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for number, (legend, expr) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    sys.exit(written({PATH: json.dumps(dashboard(), indent=2) + "\n"}))
