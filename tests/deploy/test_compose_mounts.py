"""What compose files mount from deploy/ is there, and nginx understands what they put beside its configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.compose import rendered
from tests.deploy.tools import DEPLOY, system_program
from tests.support.absent import absent

MOUNTED = (
    "nginx/gateway.conf",
    "nginx/leader.conf",
    "prometheus/prometheus.yml",
    "prometheus/rules.yml",
    "grafana/dashboard.json",
    "otel/collector.yml",
)
STACKS = (("one-gpu", "proxy", "monitoring"), ("leader",))
NAMESPACES = ["unshare", "--mount", "--net", "--propagation", "private"]


def present(name: str) -> Path:
    path = DEPLOY / name
    if not path.is_file():
        absent(f"deploy/{name} is not there")
    return path


@pytest.mark.parametrize("name", MOUNTED)
def test_it_is_there_and_mounted(name: str) -> None:
    path = present(name)
    sources = {
        volume["source"]
        for names in STACKS
        for service in rendered(*names)["services"].values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    }
    assert {str(path), str(path.parent)} & sources


@pytest.mark.parametrize(
    ("service", "names", "hosts"),
    [("proxy", ("one-gpu", "proxy"), "gateway"), ("triton-proxy", ("leader",), "triton")],
    ids=["proxy", "leader"],
)
def test_nginx_takes_its_configuration_with_what_the_file_adds(
    tmp_path: Path, service: str, names: tuple[str, ...], hosts: str
) -> None:
    nginx, _ = system_program("nginx", "nginx"), system_program("unshare", "util-linux")
    if os.getuid() != 0 or subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode != 0:
        absent("namespaces may not be made here: run as root")
    project = rendered(*names)
    described = project["services"][service]
    command = described["command"]
    conf = Path(command[command.index("-c") + 1])
    shutil.copy(present(f"nginx/{conf.name}"), tmp_path / conf.name)
    for each in described["configs"]:
        target = tmp_path / Path(each["target"]).relative_to(conf.parent)
        target.parent.mkdir(exist_ok=True)
        target.write_text(project["configs"][each["source"]]["content"].replace("$$", "$"), "utf-8")
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost {hosts}\n", "utf-8")
    (tmp_path / "run").mkdir()
    named = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    words = ["-p", str(tmp_path / "run"), "-c", str(tmp_path / conf.name), *command[command.index("-g") :]]
    done = subprocess.run(
        [*NAMESPACES, "sh", "-c", named, "sh", str(tmp_path / "hosts"), nginx, "-t", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
