"""A real Prometheus with the configuration and rules of ``deploy/``, reading gateways on this machine.

It knows its command, its HTTP API, and what must differ from the shipped configuration: addresses and seconds. It must
not know what is asked.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest.processes import Process, status
from model_repo_builder.ports import free_port

DEPLOY = Path(__file__).parents[1] / "deploy"
START_SECONDS = 30


class Prometheus(Process):
    """One server. ``scrape_seconds``: between two looks at a gateway, and between two evaluations of the rules."""

    def __init__(self, folder: Path, gateways: Sequence[str], *, scrape_seconds: int = 1) -> None:
        """``gateways``: their addresses, host:port."""
        self.port = free_port()
        self.folder = folder
        folder.mkdir(parents=True)
        shutil.copy(DEPLOY / "prometheus" / "rules.yml", folder)
        seconds = f"{scrape_seconds}s"
        config = {
            "global": {"scrape_interval": seconds, "scrape_timeout": seconds, "evaluation_interval": seconds},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [{"job_name": "gateway", "static_configs": [{"targets": list(gateways)}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config), "utf-8")  # JSON is YAML
        command = [shutil.which("prometheus") or "prometheus", f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"]
        super().__init__(command, folder / "log")

    def start(self) -> None:
        """Returns when it answers."""
        self.launch()
        self.wait_until(lambda: status(self.port, "/-/ready") == 200, START_SECONDS)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector that an expression is now. ValueError with Prometheus' words where it is wrong."""
        return self._ask("query", query=expression)

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Its values over time, as Grafana asks for them."""
        return self._ask("query_range", query=expression, start=f"{start}", end=f"{end}", step=f"{step}")

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}"
        data = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(url, data, timeout=30) as reply:
                found = json.load(reply)
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters['query']}: {error.read().decode('utf-8', 'replace')}") from error
        result: list[dict[str, Any]] = found["data"]["result"]
        return result
