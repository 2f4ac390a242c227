"""How long prompts or answers are: all alike, or drawn from a distribution. Pure but for a file of lengths.

It knows how a distribution is written and drawn from. It must not know what has the length.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

FORMS = "64, uniform:16:256, lognormal:128:0.6, lognormal:128:0.6:1000 (median, sigma, most) or file:lengths.txt"
MOST = 10_000_000  # a typing error, not a length


@dataclass(frozen=True, slots=True)
class Lengths:
    """``text`` is how it was written."""

    text: str
    _draws: Callable[[Random], Iterator[int]] = field(compare=False, repr=False)

    def draws(self, generator: Random) -> Iterator[int]:
        """Without an end. The same generator gives the same lengths."""
        return self._draws(generator)


def lengths(written: str | int) -> Lengths:
    """ValueError says what is wrong and how it is written."""
    text = str(written).strip()
    kind, *parts = text.split(":")
    if kind == "uniform" and len(parts) == 2:
        least, most = (_whole(text, part) for part in parts)
        if least > most:
            raise ValueError(f"{text!r} goes from {least} down to {most}; write uniform:{most}:{least}")
        return Lengths(text, lambda generator: (generator.randint(least, most) for _ in itertools.repeat(None)))
    if kind == "lognormal" and len(parts) in (2, 3):
        median, sigma = _whole(text, parts[0]), _sigma(text, parts[1])
        top = _whole(text, parts[2]) if len(parts) == 3 else MOST
        if top < median:
            raise ValueError(f"{text!r} has a most of {top}, which is below its median of {median}")
        return Lengths(text, lambda generator: _lognormal(generator, math.log(median), sigma, top))
    if kind == "file" and parts:
        values = _file(Path(":".join(parts)))
        return Lengths(text, lambda _: itertools.cycle(values))
    if parts or not text.isdecimal():
        raise ValueError(f"{text!r} is no length; write {FORMS}")
    value = _whole(text, text)
    return Lengths(text, lambda _: itertools.repeat(value))


def _lognormal(generator: Random, mu: float, sigma: float, most: int) -> Iterator[int]:
    while True:
        yield min(most, max(1, round(math.exp(min(generator.gauss(mu, sigma), 100.0)))))


def _file(path: Path) -> Sequence[int]:
    """One length a line, in the order of the lines, over and over; empty lines and those after # are left out."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(
            f"the lengths in {path} cannot be read ({exc}); give a text file with one number a line"
        ) from exc
    values = []
    for number, line in enumerate(lines, 1):
        if word := line.partition("#")[0].strip():
            values.append(_whole(f"line {number} of {path}", word))
    if not values:
        raise ValueError(f"{path} holds no length; write one number a line")
    return values


def _whole(where: str, word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= MOST:
        raise ValueError(f"{where!r}: {word!r} must be a whole number from 1 to {MOST}")
    return int(word)


def _sigma(where: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 10:
        raise ValueError(f"{where!r}: {word!r} must be a number from 0 to 10, the sigma of the logarithm")
    return value
