"""A scenario: what load to make, as values, from a TOML file and the command line. Pure.

It knows every knob, its bounds, and how it is written. It must not know sockets or how requests are made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loadtest.lengths import Lengths, lengths


class WrongScenario(Exception):
    """A sentence that says what to change."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Times are seconds, but where the name says milliseconds."""

    about: str = ""
    clients: int = 16  # closed loop, unless there is a rate
    rate: float | None = None  # open loop: requests a second at Poisson's moments
    requests: int = 200
    seed: int = 1
    text: str = "Count from one to a hundred."
    words: Lengths | None = None  # of a prompt made up of words, instead of the text
    tokens: Lengths = field(default_factory=lambda: lengths(64))  # max_tokens of the answer
    exact: bool = False  # ask the server to go on after an end token, so that answers are that long
    gap_ms: float | None = None  # of the scripted engine and the engine for load
    slow: float = 0.0  # share of clients that read slowly: so many bytes, so far apart
    slow_bytes: int = 512
    slow_every_ms: float = 100.0
    leave: float = 0.0  # share of clients that leave, within so many seconds
    leave_within: float = 1.0
    timeout: float = 120.0

    def __post_init__(self) -> None:
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise WrongScenario(f"{_SPELLED[name]} is {value:g}, but must be from {least:g} to {most:g}.")
        if not self.text and self.words is None:
            raise WrongScenario("prompt.text is empty; give a text, or prompt.words for made-up prompts.")


_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("clients", 1, 100_000),
    ("rate", 0.001, 1_000_000),
    ("requests", 1, 1_000_000_000),
    ("gap_ms", 0, 3_600_000),
    ("slow", 0, 1),
    ("slow_bytes", 1, 1 << 20),
    ("slow_every_ms", 0, 3_600_000),
    ("leave", 0, 1),
    ("leave_within", 0.001, 86_400),
    ("timeout", 0.1, 86_400),
)
# Table and key of the file → the field, and what it must be.
_KEYS: Mapping[str, tuple[str, type]] = {
    "about": ("about", str),
    "load.clients": ("clients", int),
    "load.rate": ("rate", float),
    "load.requests": ("requests", int),
    "load.seed": ("seed", int),
    "load.timeout_seconds": ("timeout", float),
    "prompt.text": ("text", str),
    "prompt.words": ("words", Lengths),
    "answer.tokens": ("tokens", Lengths),
    "answer.exact": ("exact", bool),
    "answer.gap_ms": ("gap_ms", float),
    "slow_readers.share": ("slow", float),
    "slow_readers.bytes": ("slow_bytes", int),
    "slow_readers.every_ms": ("slow_every_ms", float),
    "leavers.share": ("leave", float),
    "leavers.within_seconds": ("leave_within", float),
}
_SPELLED = {name: key for key, (name, _) in _KEYS.items()}
_TABLES = sorted({key.partition(".")[0] for key in _KEYS if "." in key})
_WORDS = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def from_document(document: Mapping[str, Any]) -> Scenario:
    """From the tables of a TOML file. WrongScenario names the first key that is wrong."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if name in _TABLES:
            if not isinstance(value, Mapping):
                raise WrongScenario(f"{name} must be a table: write [{name}] and its keys below it.")
            flat |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            flat[name] = value
    given: dict[str, Any] = {}
    for key, value in flat.items():
        if key not in _KEYS:
            raise WrongScenario(f"there is no {key!r}; there are {', '.join(_KEYS)}.")
        field_name, kind = _KEYS[key]
        given[field_name] = _checked(key, value, kind)
    if "load.clients" in flat and "load.rate" in flat:
        raise WrongScenario(
            "load.clients and load.rate exclude each other: a closed loop has clients, an open one a rate."
        )
    if "prompt.text" in flat and "prompt.words" in flat:
        raise WrongScenario(
            "prompt.text and prompt.words exclude each other: give the text, or the length of made-up ones."
        )
    return Scenario(**given)


def changed(scenario: Scenario, flags: Mapping[str, Any]) -> Scenario:
    """The command line goes first: flags that are not None, by the names of the fields."""
    given = {name: value for name, value in flags.items() if value is not None}
    if "clients" in given:
        given["rate"] = None
    if "text" in given:
        given["words"] = None
    return replace(scenario, **given)


def _checked(key: str, value: object, kind: type) -> object:
    if kind is Lengths:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise WrongScenario(
                f'{key} must be a whole number or a distribution in quotes, as in 64 or "uniform:16:256".'
            )
        try:
            return lengths(value)
        except ValueError as exc:
            raise WrongScenario(f"{key}: {exc}.") from exc
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise WrongScenario(f"{key} is {value!r}, but must be {_WORDS[kind]}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongScenario(f"{key} is {value!r}, but must be a number that ends.")
    return value
