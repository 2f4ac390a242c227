"""Writes Prometheus' rules as an object for the Prometheus Operator; ``--check`` only says whether it is current.

It knows the two files, and that both have the same groups. It must not know what any rule says.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.written import written

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
OBJECT = DEPLOY / "kubernetes" / "components" / "monitoring" / "prometheus-rule.yaml"
HEAD = """\
# Written by scripts/prometheus_rule.py from deploy/prometheus/rules.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: gateway
spec:
"""


def wrapped(rules: str) -> str:
    """The text of rules.yml, further in. Comments and blank lines stay."""
    return HEAD + "".join(f"  {line}\n" if line.strip() else "\n" for line in rules.splitlines())


if __name__ == "__main__":
    sys.exit(written({OBJECT: wrapped(RULES.read_text("utf-8"))}))
