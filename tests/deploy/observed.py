"""Gateways that are looked at: two Tritons with the scripted engine, one that shows the gauges of TensorRT-LLM's
backend, a gateway of two processes, and Prometheus with the rules of ``deploy/``.

It knows how these are put together and what a dashboard's queries are. It must not know what is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.core.keys import hashed
from loadtest.engine.script import Script, script_text
from loadtest.engine_repository import MODEL
from loadtest.processes import Gateway, Triton, model_toml
from loadtest.prometheus import DEPLOY, Prometheus
from tests.support.lone_triton import MODEL as METER
from tests.support.lone_triton import lone_triton, write_meter
from tests.support.two_tritons import two_tritons

GAUGES = {
    "nv_trt_llm_request_metrics": {"active": 7, "scheduled": 5, "waiting": 2, "max": 64},
    "nv_trt_llm_kv_cache_block_metrics": {"max": 200, "used": 50, "free": 150, "tokens_per": 64},
}
KEY = "a-key-of-this-stage-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Observed:
    """All of it, running."""

    tritons: tuple[Triton, Triton]
    gateway: Gateway
    prometheus: Prometheus

    def chat(self, script: Script, **fields: Any) -> httpx.Response:
        """One streamed chat."""
        asked = [{"role": "user", "content": script_text(script)}]
        body = {"model": "scripted", "messages": asked, "stream": True, **fields}
        headers = {"authorization": f"Bearer {KEY}"}
        return httpx.post(f"{self.gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=60)


@contextmanager
def observed(folder: Path, *, more: str = "", scrape_seconds: int = 1) -> Iterator[Observed]:
    """``more``: lines of the gateway's settings."""
    with ExitStack() as stack:
        first, second = stack.enter_context(two_tritons(folder))
        repository = write_meter(folder / "gauges", GAUGES)
        renamed = (repository / METER).rename(repository / MODEL) / "config.pbtxt"
        renamed.write_text(renamed.read_text("utf-8").replace(f'"{METER}"', f'"{MODEL}"', 1), "utf-8")
        shows = stack.enter_context(lone_triton(folder, repository, model=MODEL))
        places = [f'{{address = "{first.address}", metrics = "{shows.metrics}"}}', f'"{second.address}"']
        (folder / "tritons.toml").write_text(f"endpoints = [{', '.join(places)}]\n", "utf-8")
        keys = folder / "keys.toml"
        keys.write_text(f'[[keys]]\nname = "tester"\nhash = "{hashed(KEY)}"\n', "utf-8")
        settings = model_toml([first]).replace(f'"{first.address}"', f'"file:{folder / "tritons.toml"}"')
        settings += f'[keys]\nfile = "{keys}"\nopen = ["/readyz", "/metrics"]\n[probes]\nload_seconds = 0.5\n{more}\n'
        gateway = Gateway(folder, settings, "--workers", "2")
        stack.callback(gateway.stop)
        gateway.start()
        prometheus = Prometheus(folder / "prometheus", [f"127.0.0.1:{gateway.port}"], scrape_seconds=scrape_seconds)
        stack.callback(prometheus.stop)
        prometheus.start()
        yield Observed((first, second), gateway, prometheus)


def panels() -> list[dict[str, Any]]:
    """Of the dashboard, those with queries."""
    document = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text("utf-8"))
    return [panel for panel in document["panels"] if panel.get("targets")]


def filled_in(expression: str, interval: str) -> str:
    """A query of the dashboard as Grafana sends it, with everything selected."""
    for name, value in (("$__rate_interval", interval), ("$model", ".*"), ("$instance", ".*")):
        expression = expression.replace(name, value)
    return expression
