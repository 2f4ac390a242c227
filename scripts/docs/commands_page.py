"""reference/commands.md: the help of every command, as the commands print it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from gateway import cli as gateway
from loadtest import __main__ as loadtest
from model_repo_builder import cli as builder

COLUMNS = "100"  # what argparse wraps its text at
INTRODUCTION = """\
# Command lines

What each command prints with `--help`.

"""


def page() -> str:
    """The whole page."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS  # argparse asks nobody else
    try:
        return INTRODUCTION + "\n".join(_shown(each, depth) for root in roots() for each, depth in tree(root))
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def roots() -> tuple[argparse.ArgumentParser, ...]:
    """The parsers of all commands."""
    return gateway.parser(), builder._parser(), loadtest.parser()


def tree(parser: argparse.ArgumentParser, depth: int = 0) -> Iterator[tuple[argparse.ArgumentParser, int]]:
    """The parser and those of its commands."""
    yield parser, depth
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from tree(command, depth + 1)


def _shown(parser: argparse.ArgumentParser, depth: int) -> str:
    return f"{'#' * (min(depth, 1) + 2)} {parser.prog}\n\n```text\n{parser.format_help().rstrip()}\n```\n"
