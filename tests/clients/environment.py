"""Environments of their own for clients, under build/clients: made once, and anew when what they need has changed.

It knows venv, pip and npm. It must not know what a client does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from loadtest.children import die_with_parent
from tests.clients.client import FOLDER, Client

NODE = FOLDER / "requirements" / "node.txt"
"""Node itself, from a wheel: what the packages need is newer than many a machine's."""
_STAMP = "installed"
_PATIENCE = 1200


class NotInstalled(Exception):
    """Why a client cannot be had here, in a sentence."""


class Environments:
    """Those of one folder."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        """``fresh``: makes every environment anew, once."""
        self.folder = folder
        self._fresh = fresh
        self._made: set[str] = set()

    def ready(self, client: Client) -> bool:
        """Whether nothing has to be installed."""
        return all(self._ready(name, file) for name, file in self._parts(client))

    def prepare(self, client: Client) -> list[str]:
        """Installs what is not there, and gives the beginning of the command that runs its programs."""
        for name, file in self._parts(client):
            if not self._ready(name, file):
                self._make(name, file)
        if client.language == "node":
            return [str(self._python("node").with_name("node"))]
        return [str(self._python(client.environment))]

    def place(self, name: str) -> Path:
        return self.folder / name

    def _parts(self, client: Client) -> list[tuple[str, Path]]:
        own = (client.environment, client.requirements)
        return [("node", NODE), own] if client.language == "node" else [own]

    def _ready(self, name: str, file: Path) -> bool:
        stamp = self.place(name) / _STAMP
        if self._fresh and name not in self._made:
            return False
        return stamp.exists() and stamp.read_text("utf-8") == fingerprint(file)

    def _make(self, name: str, file: Path) -> None:
        place = self.place(name)
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        if file.suffix == ".json":
            shutil.copy(file, place)
            # Nothing a package would run at its installation is needed, so nothing is run.
            flags = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            _run([str(self._python("node").with_name("npm")), "install", *flags], place)
        else:
            venv.create(place / "env", with_pip=True)
            flags = ["--quiet", "--disable-pip-version-check", "--progress-bar", "off", *own_flags(file)]
            _run([str(self._python(name)), "-m", "pip", "install", *flags, "--requirement", str(file)], place)
        (place / _STAMP).write_text(fingerprint(file), "utf-8")
        self._made.add(name)

    def _python(self, name: str) -> Path:
        return self.place(name) / "env" / "bin" / "python"


def own_flags(file: Path) -> list[str]:
    """Flags that a requirements file asks for in a comment of its first line: ``# pip: --no-deps``."""
    first = file.read_text("utf-8").partition("\n")[0]
    return first.removeprefix("# pip:").split() if first.startswith("# pip:") else []


def fingerprint(file: Path) -> str:
    """Of what an environment is made from."""
    return hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()


def version(client: Client) -> str:
    """The one that our file pins, of the package that the client is."""
    text = client.requirements.read_text("utf-8")
    if client.language == "node":
        return str(next(iter(json.loads(text)["dependencies"].values())))
    return next(line for line in text.splitlines() if "==" in line and line[0] != "#").partition("==")[2]


def _run(command: Sequence[str], place: Path) -> None:
    """NotInstalled has the last word of what failed."""
    log = place / "install.log"
    environment = {**os.environ, "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired as exc:
            raise NotInstalled(f"its installation was not over after {_PATIENCE} s; see {log}") from exc
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code:
        raise NotInstalled(f"{last_word(log.read_text('utf-8', 'replace'))} (see {log})")


def last_word(text: str) -> str:
    """The line of an installer that says why: the last error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["the installer said nothing"])[-1][:300]
