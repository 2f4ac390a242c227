"""``doctor``: a repository, or a running Triton → a table of what is wrong with it. No logic of its own."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.finding import Finding
from model_repo_builder.doctor.report import as_json, failed, table
from model_repo_builder.doctor.running import read_running
from model_repo_builder.doctor.subject import read_repository
from model_repo_builder.errors import SettingsError

EXAMPLES = """\
examples:
  a repository, also one made by hand from the official templates:
    model-repo-builder doctor repository
  what a running Triton has loaded:
    model-repo-builder doctor --url 127.0.0.1:8001
  for a program:
    model-repo-builder doctor repository --json

exit code: 0 nothing that is an error, 1 at least one error, 2 it cannot be examined
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        usage="%(prog)s [REPO] [--url HOST:PORT] [--json]",
        help="find what is wrong with a model repository",
        description="Checks a model repository: what keeps Triton from starting, answers wrongly, or costs speed. "
        "Nothing is changed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    doctor.set_defaults(run=run)
    doctor.add_argument("repository", metavar="REPO", nargs="?", help="folder of the model repository")
    doctor.add_argument(
        "--url", metavar="HOST:PORT", help="ask a running Triton at this gRPC address for the models it has loaded"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> int:
    if options.repository is None and options.url is None:
        raise SettingsError("there is nothing to examine: give a repository, --url of a running Triton, or both")
    findings: tuple[Finding, ...] = ()
    if options.repository is not None:
        findings += examine(read_repository(Path(options.repository)))
    if options.url is not None:
        subject, broken = read_running(options.url)
        findings += tuple(replace(each, where=f"{each.where} at {options.url}") for each in broken + examine(subject))
    print(as_json(findings) if options.json else table(findings, shutil.get_terminal_size((100, 24)).columns))
    return 1 if failed(findings) else 0
