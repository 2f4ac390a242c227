"""How the tests of the machines read an answer: pushed in pieces, neighbours of a kind joined, calls told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gateway.core.types import CallArguments, CallStart, Content, Parser, Part, Reasoning
from tests.support.splits import every_split


def joined(parts: Iterable[Part]) -> list[Part]:
    """Written once more and plainly, for the machines join parts themselves."""
    whole: list[Part] = []
    for part in parts:
        last = whole[-1] if whole else None
        if (
            isinstance(part, Content | Reasoning | CallArguments)
            and isinstance(last, type(part))
            and getattr(part, "index", None) == getattr(last, "index", None)
        ):
            whole[-1] = replace(part, text=last.text + part.text)
        else:
            whole.append(part)
    return whole


def read(parser: Parser, pieces: Iterable[str]) -> list[Part]:
    parts = [part for piece in pieces for part in parser.push(piece)] + parser.flush()
    assert all(not hasattr(part, "text") or part.text for part in parts), "an empty part"
    assert parser.called == any(isinstance(part, CallStart) for part in parts)
    return joined(parts)


def call(index: int, name: str, arguments: str = "") -> list[Part]:
    """A call as it comes out."""
    start = CallStart(index, f"call-{index}", name)
    return [start, CallArguments(index, arguments)] if arguments else [start]


def call_id(index: int) -> str:
    return f"call-{index}"


def check(make: Callable[[], Parser], text: str, expected: Sequence[Part]) -> None:
    """The same parts over every split of the text."""
    for pieces in every_split(text):
        assert read(make(), pieces) == list(expected), pieces
