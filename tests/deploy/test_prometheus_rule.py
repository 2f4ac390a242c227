"""Prometheus' rules for the operator are those of deploy/prometheus/rules.yml, from the day that there are any."""

from __future__ import annotations

import yaml

from scripts.prometheus_rule import OBJECT, RULES, wrapped
from tests.deploy.kustomize import against_schemas

SAMPLE = """\
# What wakes somebody.
groups:
  - name: gateway
    rules:
      - alert: Silence
        expr: |
          sum(rate(gateway_requests_total[5m])) == 0

          and sum(gateway_requests_in_flight) > 0
        for: 5m
        labels: {severity: page}
"""


def test_the_object_holds_the_same_groups() -> None:
    made = yaml.safe_load(wrapped(SAMPLE))
    assert made["spec"] == yaml.safe_load(SAMPLE)
    assert against_schemas([made], ["1.37"]) == []


def test_the_component_has_todays_rules() -> None:
    component = yaml.safe_load((OBJECT.parent / "kustomization.yaml").read_text("utf-8"))
    assert (OBJECT.name in component["resources"]) == RULES.is_file(), f"{OBJECT.parent}/kustomization.yaml"
    if RULES.is_file():
        assert OBJECT.read_text("utf-8") == wrapped(RULES.read_text("utf-8")), "run: python -m scripts.prometheus_rule"
