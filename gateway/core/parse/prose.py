"""Content around tool calls, and the joining of parts.

Whitespace in front of a call, and after the last one, is layout and not content; between words it is content. So the
whitespace at the end of the text is held until it is known what follows: at most ``SPACE`` characters of it, what is
more is content anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from gateway.core.parse.tags import WHITESPACE
from gateway.core.types import CallStart, Content, Part

SPACE = 256


class Prose:
    """Text in, content out but for the whitespace at its end."""

    __slots__ = ("after", "space")

    def __init__(self) -> None:
        self.space = ""
        self.after = False  # a call came, and since then nothing but whitespace

    def add(self, text: str, out: list[Part]) -> None:
        kept = text.rstrip(WHITESPACE)
        space = text[len(kept) :] if kept else self.space + text
        if kept:
            kept = self.space + kept
        if len(space) > SPACE:
            kept, space = kept + space[:-SPACE], space[-SPACE:]
        self.space = space
        if kept:
            self.after = False
            out.append(Content(kept))

    def take(self) -> str:
        """The held whitespace, which is somebody else's now."""
        space, self.space = self.space, ""
        return space

    def flush(self, out: list[Part]) -> None:
        space = self.take()
        if space and not self.after:
            out.append(Content(space))


def joined(parts: Iterable[Part]) -> list[Part]:
    """The same parts, neighbours of a kind made one."""
    whole: list[Part] = []
    for _, run in groupby(parts, lambda part: (type(part), getattr(part, "index", 0))):
        first, *more = run
        if more and not isinstance(first, CallStart):
            text = "".join(part.text for part in (first, *more) if not isinstance(part, CallStart))
            whole.append(replace(first, text=text))
        else:
            whole += [first, *more]
    return whole
