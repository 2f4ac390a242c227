"""What can be typed, read from an argparse parser. Pure; it knows argparse and must not know shells."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLAIN = re.compile(r"[A-Za-z0-9_.:/+@-]+")  # words that no shell takes for anything else
FILES = ("FILE", "DIR")  # what a value is called where it is one


@dataclass(frozen=True, slots=True)
class Flag:
    """``value``: one follows. ``words``: what it can be, where that is known; ``file``: a file or folder."""

    names: tuple[str, ...]
    help: str
    value: bool = False
    words: tuple[str, ...] = ()
    file: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A command, by the words that lead to it. ``words``: commands and arguments that can follow, with their help."""

    path: tuple[str, ...]
    flags: tuple[Flag, ...]
    words: tuple[tuple[str, str], ...]


def places(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Place]:
    """The command itself, and all below it."""
    flags, words = [], []
    below: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            words += [(name, _text(helps.get(name))) for name in action.choices]
            below += action.choices.items()
        elif action.option_strings:
            flags.append(_flag(action))
        else:
            words += [(word, "") for word in _choices(action)]
    yield Place(path, tuple(flags), tuple(words))
    for name, child in below:
        yield from places(child, (*path, name))


def _flag(action: argparse.Action) -> Flag:
    value = action.nargs != 0
    file = value and (action.type is Path or action.metavar in FILES)
    return Flag(tuple(action.option_strings), _text(action.help), value, _choices(action), file)


def _choices(action: argparse.Action) -> tuple[str, ...]:
    return tuple(str(choice) for choice in action.choices or () if PLAIN.fullmatch(str(choice)))


def _text(help: str | None) -> str:
    return " ".join((help or "").replace("%%", "%").split())
