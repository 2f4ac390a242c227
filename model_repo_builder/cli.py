"""The command line ``model-repo-builder``: which commands there are, and what becomes of their errors.

Exit codes: 0 done, 1 it failed, 2 what was asked cannot work; ``launch`` returns tritonserver's own code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from model_repo_builder.commands import build, diff, doctor, launch, migrate, plan, repo
from model_repo_builder.errors import (
    BuilderError,
    BuildError,
    CheckpointError,
    ContractError,
    LaunchError,
    RepositoryError,
    SettingsError,
)

COMMANDS = (plan, build, repo, launch, doctor, diff, migrate)
_USAGE_ERRORS = (SettingsError, ContractError, CheckpointError, RepositoryError)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except LaunchError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.log:
            print(f"\n--- tritonserver's log ---\n{error.log.rstrip()}", file=sys.stderr)
        return 1
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.log:
            print(f"\n--- end of the log ---\n{error.log.rstrip()}", file=sys.stderr)
        return 1
    except _USAGE_ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BuilderError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, instead of listing every flag before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see `{self.prog} --help`)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="model-repo-builder",
        description="Builds Triton model repositories for Qwen, and runs them.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
