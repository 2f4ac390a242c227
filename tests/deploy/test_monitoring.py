"""What deploy/prometheus and deploy/grafana say is read by promtool, and asked of a real Prometheus over a gateway."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from loadtest.engine.script import Script
from scripts import dashboard
from tests.deploy.observed import Observed, filled_in, observed, panels
from tests.deploy.tools import DEPLOY, ROOT, run, system_program
from tests.support.waiting import wait_for

RULES: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text("utf-8"))
EVERY_RULE = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in EVERY_RULE if "alert" in rule]
OURS = re.compile(r"\b(?<!:)(?:gateway_|nv_trt_llm_)[a-z0-9_]+")
QUERIES = [
    (f"{panel['title']}: {target['legendFormat']}", target["expr"]) for panel in panels() for target in panel["targets"]
]


def promtool(*words: str, folder: Path | None = None) -> str:
    done = run([system_program("promtool", "prometheus"), *words])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "prometheus" / "rules.yml", tmp_path)
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8")
    assert "/etc/prometheus/rules.yml" in config
    path = tmp_path / "prometheus.yml"
    path.write_text(config.replace("/etc/prometheus/", f"{tmp_path}/"), "utf-8")
    assert f"{len(EVERY_RULE)} rules found" in promtool("check", "config", str(path))


def test_rules_do_what_their_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(DEPLOY / "prometheus" / "rules_test.yml"))


@pytest.mark.parametrize("alert", ALERTS, ids=[rule["alert"] for rule in ALERTS])
def test_every_alert_is_tried_and_explained(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    tests = yaml.safe_load((DEPLOY / "prometheus" / "rules_test.yml").read_text("utf-8"))["tests"]
    fired = {each["alertname"] for test in tests for each in test.get("alert_rule_test", []) if each["exp_alerts"]}
    assert name in fired
    file, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor == name.lower()
    assert f"#### {name}\n" in (ROOT / file).read_text("utf-8")
    assert alert["labels"]["severity"] in ("page", "ticket")


def test_the_dashboard_is_what_its_script_writes() -> None:
    assert json.loads(dashboard.PATH.read_text("utf-8")) == dashboard.dashboard(), "run: python -m scripts.dashboard"


def test_the_picture_is_there_and_small() -> None:
    picture = (DEPLOY / "grafana" / "dashboard.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """After requests of every kind, and after Prometheus has seen them twice."""
    system_program("prometheus", "prometheus")
    with observed(tmp_path_factory.mktemp("observed")) as stage:
        _played(stage)
        yield stage


def _played(stage: Observed) -> None:
    assert httpx.get(f"{stage.gateway.url}/v1/models", timeout=10).status_code == 401
    _answered(stage, 4)
    stage.tritons[1].kill()
    broken = stage.chat(Script(text="no", error_at_start=True))
    assert broken.status_code >= 500, "the other Triton broke it"
    scraped = 'sum(scrape_samples_scraped{job="gateway"})'
    wait_for(lambda: bool(stage.prometheus.query(scraped)), 20, "a first scrape")
    before = _count(stage)
    _answered(stage, 4)
    wait_for(lambda: _count(stage) > before, 20, "a scrape of more requests")
    wait_for(lambda: bool(stage.prometheus.query("model:gateway_requests:rate5m > 0")), 20, "rules over two scrapes")


def _answered(stage: Observed, times: int) -> None:
    for number in range(times):
        reply = stage.chat(Script(tag=f"{number}", text="one two three four five six", delay_ms=5))
        assert reply.status_code == 200, reply.text
        assert reply.text.endswith("data: [DONE]\n\n")


def _count(stage: Observed) -> float:
    found = stage.prometheus.query('sum(gateway_requests_total{outcome="stop"})')
    return float(found[0]["value"][1]) if found else 0.0


def test_every_metric_of_rules_and_dashboard_is_there_after_a_run(stage: Observed) -> None:
    page = stage.gateway.get("/metrics")
    shown = {line.split("{")[0].split(" ")[0] for line in page.splitlines() if line and not line.startswith("#")}
    asked = {name for rule in EVERY_RULE for name in OURS.findall(rule["expr"])}
    asked |= {name for _, expression in QUERIES for name in OURS.findall(expression)}
    recorded = {rule["record"] for rule in EVERY_RULE if "record" in rule}
    used = {name for _, expression in QUERIES for name in re.findall(r"\b\w+:[\w:]+", expression)}
    assert len(asked) > 20
    assert asked - shown == set()
    assert used <= recorded


def test_a_real_prometheus_reads_it_and_its_rules_are_well(stage: Observed) -> None:
    assert [each["value"][1] for each in stage.prometheus.query('up{job="gateway"}')] == ["1"]
    rules = httpx.get(f"http://127.0.0.1:{stage.prometheus.port}/api/v1/rules", timeout=10).json()["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}


@pytest.mark.parametrize("expression", [each for _, each in QUERIES], ids=[name for name, _ in QUERIES])
def test_a_panel_shows_something(stage: Observed, expression: str) -> None:
    asked = filled_in(expression, "1m")
    wait_for(lambda: bool(stage.prometheus.query(asked)), 15, asked)


def test_what_pickers_read_is_there_under_tritons_own_names(stage: Observed) -> None:
    assert stage.gateway.metric("nv_trt_llm_request_metrics", model="scripted", request_type="waiting") >= 2
    fraction = stage.gateway.metric(
        "nv_trt_llm_kv_cache_block_metrics", model="scripted", kv_cache_block_type="fraction"
    )
    assert fraction == 0.25


def test_a_triton_that_is_listed_no_longer_is_shown_no_longer(stage: Observed) -> None:
    gone = stage.tritons[1].address
    assert f'endpoint="{gone}"' in stage.gateway.get("/metrics")
    places = next(stage.gateway.config.parent.glob("tritons.toml"))
    places.write_text(places.read_text("utf-8").replace(f', "{gone}"', ""), "utf-8")
    wait_for(lambda: f'endpoint="{gone}"' not in stage.gateway.get("/metrics"), 20, "the series vanish")
    assert f'endpoint="{stage.tritons[0].address}"' in stage.gateway.get("/metrics")


def test_a_worker_that_is_replaced_is_counted_and_tells_again(stage: Observed) -> None:
    starts = stage.gateway.metric("gateway_worker_starts_total")
    requests = stage.gateway.metric("gateway_requests_total", outcome="stop")
    assert starts == 2
    os.kill(stage.gateway.pids[1], signal.SIGKILL)
    wait_for(lambda: _metric(stage, "gateway_worker_starts_total") == starts + 1, 30, "another worker")
    both = {"0", "1"}
    wait_for(lambda: both <= set(re.findall(r'gateway_worker_memory_bytes\{worker="(\d)"', _page(stage))), 20, "both")
    assert stage.gateway.metric("gateway_requests_total", outcome="stop") == requests, "what it counted stays counted"


def _page(stage: Observed) -> str:
    """Nothing where the connection was the killed worker's."""
    try:
        return stage.gateway.get("/metrics")
    except OSError:
        return ""


def _metric(stage: Observed, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", _page(stage), re.MULTILINE)
    return float(found[1]) if found else 0.0
