"""The command line itself: every command teaches, every example can be parsed, errors are one sentence."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from gateway.cli import main, parser

EXAMPLE = re.compile(r"^  (?:.*\| )?(gateway .*)$", re.MULTILINE)


def commands(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield of
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from commands(child)


ALL = list(commands(parser()))


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.prog)
def test_help_teaches(command: argparse.ArgumentParser) -> None:
    text = command.format_help()
    assert "examples:\n" in text
    assert command.description
    for action in command._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, action.dest


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.prog)
def test_examples_are_commands(command: argparse.ArgumentParser) -> None:
    examples = EXAMPLE.findall(command.epilog or "")
    assert examples
    for example in examples:
        words = shlex.split(example.split(" > ")[0].split(" < ")[0])
        parser().parse_args(words[1:])


WRONG = [
    ([], "the following arguments are required: COMMAND. Help: gateway --help"),
    (["serv"], "invalid choice: 'serv'"),
    (["serve", "--port", "x"], "argument --port: invalid int value: 'x'. Help: gateway serve --help"),
    (["keys", "new"], "required: NAME. Help: gateway keys new --help"),
    (["chat", "--timeout", "0"], "must be a number of seconds above 0. Help: gateway chat --help"),
    (["check", "--timeout", "nan"], "must be a number of seconds above 0. Help: gateway check --help"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words) or "nothing" for words, _ in WRONG])
def test_what_is_wrong_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert told.err.startswith("gateway: ")
    assert told.err.count("\n") == 1
    assert said in told.err
