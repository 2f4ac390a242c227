"""A check is data: a name, why clients rely on it, and a function that asks and looks. Pure.

The function returns where all is well. It raises Missed with what was expected and what came, or NotApplicable with why
this server cannot be judged by it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from gateway.commands.client.visible import one_line

if TYPE_CHECKING:
    from gateway.commands.check.target import Target

ANYTHING: tuple[type, ...] = (object,)


class Missed(Exception):
    """The server does something else than clients rely on. Texts of the server are made harmless here."""

    def __init__(self, expected: str, got: object) -> None:
        self.expected, self.got = shown(expected), shown(got)
        super().__init__(f"expected {self.expected}, got {self.got}")


class NotApplicable(Exception):
    """The server does not offer it, or nothing happened that would show it."""

    def __init__(self, reason: str) -> None:
        super().__init__(shown(reason))


class State(Enum):
    """How a check came out."""

    OK = "ok"
    MISSED = "missed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Check:
    """``name``: topic, dot, and a word or two."""

    name: str
    why: str
    run: Callable[[Target], None]

    @property
    def topic(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason``: why it does not apply."""

    check: Check
    state: State
    expected: str = ""
    got: str = ""
    reason: str = ""
    seconds: float = 0.0


def check(name: str, why: str) -> Callable[[Callable[[Target], None]], Check]:
    """Makes a function a check."""
    return lambda run: Check(name, why, run)


def need(condition: bool, expected: str, got: object) -> None:
    """Missed unless the condition holds. ``got``: a text, or any JSON value."""
    if not condition:
        raise Missed(expected, got)


def reach(value: Any, *path: str | int, kind: type | tuple[type, ...] = ANYTHING) -> Any:
    """What lies at the end of a path into JSON; Missed where it is not there, or of another kind. A bool is no int."""
    place = ""
    for step in path:
        here = f"{place}[{step}]" if isinstance(step, int) else f"{place}.{step}".lstrip(".")
        inside = isinstance(value, list if isinstance(step, int) else dict)
        if not inside or (step not in value if isinstance(step, str) else step >= len(value)):
            raise Missed(f"{here} is there", shown(value) if place or not inside else f"only {shown(sorted(value))}")
        value, place = value[step], here
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and kinds != ANYTHING):
        names = " or ".join(_KINDS.get(each, each.__name__) for each in kinds)
        raise Missed(f"{place or 'the reply'} is {names}", shown(value))
    return value


def shown(value: object) -> str:
    """A value of the server's for people: one bounded line that no terminal obeys."""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr))


_KINDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    type(None): "null",
}
