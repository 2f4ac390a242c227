"""Shell of the documentation, taken apart: which commands a block has, and whether those that are ours exist."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from gateway import cli as gateway
from loadtest import __main__ as loadtest
from model_repo_builder import cli as builder
from tests.docs.bodies import PATHS, check_body

ROOT = Path(__file__).parents[2]
PARSERS: Mapping[tuple[str, ...], Callable[[], argparse.ArgumentParser]] = {
    ("gateway",): gateway.parser,
    ("model-repo-builder",): builder._parser,
    ("python", "-m", "loadtest"): loadtest.parser,
}
_ENDS = {"|", "||", "&&", ";", "&", "(", ")"}
_ASSIGNED = re.compile(r"\w+=.*")


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command, without redirections and assignments."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        redirected = False
        for word in [*lexer, ";"]:
            if word in _ENDS:
                if words:
                    yield words
                words = []
            elif word in (">", ">>", "<"):
                redirected = True
            elif redirected:
                redirected = False
            elif words or not _ASSIGNED.fullmatch(word):
                words.append(word)


def check_command(words: Sequence[str]) -> bool:
    """Whether it is ours. AssertionError where it is, and is wrong."""
    for start, parser in PARSERS.items():
        if tuple(words[: len(start)]) == start:
            _parse(parser(), words[len(start) :])
            return True
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        wanted = [word for word in words[1:] if not _ASSIGNED.fullmatch(word)]
        assert set(wanted) <= set(targets), f"make has no {set(wanted) - set(targets)}"
        return True
    if words[0] == "curl" and "-d" in words:
        [path] = [urlsplit(word).path for word in words if word.startswith("http")]
        check_body(PATHS[path], json.loads(words[words.index("-d") + 1]))
        return True
    return words[0] == "curl"


def _parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser.parse_args(list(words))
    except SystemExit as ended:
        if ended.code:
            raise AssertionError(f"{shlex.join(words)}: {said.getvalue()}") from ended
