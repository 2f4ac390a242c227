"""``python -m tests.clients``: every client against a running gateway, and the table of what each could do."""

from __future__ import annotations

import argparse
import fcntl
import json
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from loadtest.engine_repository import NotStarted
from model_repo_builder.errors import LaunchError
from tests.clients.client import CLIENTS, Client, chosen
from tests.clients.environment import Environments, NotInstalled, version
from tests.clients.play import play
from tests.clients.programs.stage import Stage
from tests.clients.result import COLUMNS, Result, exit_code, markdown
from tests.clients.stage import stage

EXAMPLES = """\
examples:
  make clients
      every client: installs what is not there (minutes and gigabytes the first time), then checks it
  make clients ARGS="--only openai,llm"
  make clients ARGS=--list
"""


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m tests.clients",
        description="Installs each client in an environment of its own and runs it against a gateway in front of real "
        "tritonservers. Exit code 1 where anything that was tried failed; a client that cannot be installed is named.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--only", metavar="NAMES", help="these clients, separated by commas")
    root.add_argument("--list", action="store_true", help="names and versions, and nothing else")
    root.add_argument("--fresh", action="store_true", help="install everything again")
    root.add_argument(
        "--output",
        type=Path,
        default=Path("build/clients"),
        metavar="DIR",
        help="environments, logs, results.md and results.json (default build/clients)",
    )
    return root


def played(clients: Sequence[Client], environments: Environments, given: Stage) -> list[Result]:
    """One after another, with a line for each thing that happens."""
    results = []
    for number, client in enumerate(clients, 1):
        ready = environments.ready(client)
        _say(f"[{number}/{len(clients)}] {client.name}{'' if ready else ': installing'}")
        began = time.monotonic()
        try:
            command = environments.prepare(client)
        except NotInstalled as exc:
            result = Result(client.name, not_tried=str(exc))
        else:
            if not ready:
                _say(f"    installed in {time.monotonic() - began:.0f} s")
            result = play(client, command, given, environments.place(client.environment))
            _say("    " + "  ".join(f"{result.cell(column)} {column}" for column in COLUMNS))
        for line in result.remarks():
            _say(f"    {line}")
        results.append(result)
    return results


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if options.list:
        for client in CLIENTS:
            print(f"{client.name:28} {version(client)}")
        return 0
    try:
        clients = chosen(options.only)
    except ValueError as exc:
        print(f"clients: {exc}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with it ignored
    folder = options.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(folder):
            _say("starting two Tritons and the gateway")
            with stage(folder / "stage") as given:
                results = played(clients, Environments(folder, fresh=options.fresh), given)
    except KeyboardInterrupt:
        print("clients: interrupted; everything was stopped", file=sys.stderr)
        return 130
    except (NotStarted, LaunchError, Taken) as exc:
        print(f"clients: {exc}", file=sys.stderr)
        return 1
    command = shlex.join(["python", "-m", "tests.clients", *(sys.argv[1:] if argv is None else argv)])
    report = markdown(results, command=command)
    (folder / "results.md").write_text(report, "utf-8")
    (folder / "results.json").write_text(
        json.dumps([result.json() for result in results], indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    print(f"\n{report}\n{folder / 'results.md'}")
    return exit_code(results)


class Taken(Exception):
    """Another run uses the folder."""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs in one folder would take each other's environments away."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Taken(f"another run uses {folder}: wait for its end, or name another folder with --output") from exc
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
