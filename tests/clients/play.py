"""Runs one client's program in its environment and reads what it found. It knows the form of results, no client."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest.children import die_with_parent
from tests.clients.client import FOLDER, Client
from tests.clients.environment import version
from tests.clients.programs.stage import Stage
from tests.clients.result import COLUMNS, Check, Result

ROOT = FOLDER.parents[1]
PATIENCE = 600


def play(client: Client, command: Sequence[str], stage: Stage, place: Path) -> Result:
    """What the client could do; a program that ends early leaves the rest of its columns failed."""
    slug = client.name.translate({ord(each): "-" for each in " ()"}).strip("-")
    results, log = place / f"{slug}.jsonl", place / f"{slug}.log"
    results.write_text("", "utf-8")
    environment = {
        **os.environ,
        **client.variables,
        **stage.environment(),
        "CLIENTS_RESULTS": str(results),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # A client must not find a key or an address anywhere but where its program puts it.
    for name in [name for name in environment if name.startswith(("OPENAI_", "ANTHROPIC_"))]:
        del environment[name]
    began = time.monotonic()
    ended = _run([*command, *_program(client, place)], environment, place, log)
    seconds = round(time.monotonic() - began, 1)
    return read(client.name, results.read_text("utf-8"), ended and f"{ended}; see {log}", version(client), seconds)


def read(client: str, results: str, ended: str, pinned: str, seconds: float = 0.0) -> Result:
    """The lines of a program. ``ended``: what was wrong with its end, empty where nothing was. ``pinned``: the version
    of one that ended before it said its own."""
    lines = [json.loads(line) for line in results.splitlines(keepends=True) if line.endswith("\n")]
    head, *rest = lines or [{"version": pinned, "columns": list(COLUMNS)}]
    checks = [Check(line["column"], line["name"], line["wrong"]) for line in rest]
    unchecked = [column for column in head["columns"] if column not in {check.column for check in checks}]
    early = ended or "the program ended without a word on it"
    checks += [Check(column, "program", early) for column in unchecked]
    if ended and not unchecked:
        checks.append(Check(checks[-1].column, "program", ended))
    return Result(client, head["version"], tuple(checks), seconds=seconds)


def _program(client: Client, place: Path) -> list[str]:
    if client.language == "python":
        return ["-m", f"tests.clients.programs.{client.program}"]
    # Node looks for packages beside the program.
    for source in (client.source, client.source.with_name("checking.mjs")):
        shutil.copy(source, place)
    return [client.source.name]


def _run(command: Sequence[str], environment: dict[str, str], place: Path, log: Path) -> str:
    """What was wrong with its end. Whatever the program started ends with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return f"the program was not over after {PATIENCE} s"
        finally:
            _end(process)
    return f"the program ended with {code}" if code else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Everything of its session, also what it left behind."""
    with contextlib.suppress(ProcessLookupError):  # nothing is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
