"""Overlays as ``kubectl kustomize`` renders them: objects, or the error. It needs the program, not a cluster."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.custom_resources import SCHEMAS
from tests.deploy.tools import DEPLOY, TOOLS, run, tool

FOLDER = DEPLOY / "kubernetes"
OVERLAYS = tuple(sorted(path.name for path in (FOLDER / "overlays").iterdir()))
# The oldest has everything that is used; the newest is what the package knows.
VERSIONS = ("1.30", "1.37")
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """A copy of deploy/kubernetes with what a user writes into site/."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Site:
        shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
        for name in ("settings.env", "gateway.toml"):
            shutil.copy(folder / "site" / f"{name}.example", folder / "site" / name)
        return cls(folder)

    def settings(self) -> dict[str, str]:
        lines = (self.folder / "site" / "settings.env").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def write(self, settings: dict[str, str]) -> None:
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.folder / "site" / "settings.env").write_text(text, "utf-8")

    def render(self, overlay: str) -> tuple[list[Object], str]:
        done = run([tool("kubectl"), "kustomize", str(self.folder / "overlays" / overlay)])
        return [each for each in yaml.safe_load_all(done.stdout) if each], done.stderr


def against_schemas(objects: Sequence[Object], versions: Sequence[str] = VERSIONS) -> list[str]:
    """What the schemas say against them."""
    tool("kubernetes-validate")
    given = json.dumps({"versions": versions, "custom": SCHEMAS, "objects": objects})
    command = [str(TOOLS / "python"), str(Path(__file__).with_name("read_by_schema.py"))]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


def of_kind(objects: Iterable[Object], *kinds: str) -> dict[str, Object]:
    """By name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] in kinds}


def pods(objects: Iterable[Object]) -> dict[str, Object]:
    """Every pod template, by a name for people."""
    found = {}
    for each in objects:
        spec = each.get("spec", {})
        name = each["metadata"]["name"]
        if "template" in spec:
            found[name] = spec["template"]
        if "leaderWorkerTemplate" in spec:
            found[f"{name} leader"] = spec["leaderWorkerTemplate"]["leaderTemplate"]
            found[f"{name} worker"] = spec["leaderWorkerTemplate"]["workerTemplate"]
    return found


def seconds_of(probe: Object) -> int:
    """How long it may fail before it acts."""
    return int(probe["periodSeconds"] * probe["failureThreshold"])
