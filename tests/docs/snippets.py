"""Blocks of code in Markdown, and what each says is done with it.

A block is run, checked, or only shown for a reason. What is done by default goes by its language (where none is named,
a block that begins with a command of ours is shell); a page says otherwise for all its blocks with
``<!-- snippets: HOW -->``, a block for itself with ``<!-- snippet: HOW -->`` above it. HOW is

    run                 executed in front of a gateway with Seedling
    run, prints "TEXT"  and TEXT must be in what it prints
    checked             its commands, settings or body are read by the parsers that would read them
    checked as KIND     of a body: chat (where nothing is said), completion, embeddings, messages, responses or tokenize
    shown, REASON       neither
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT = {"bash": "checked", "json": "checked", "python": "run", "toml": "checked"}
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<language>\w*)")
_OF_PAGE = re.compile(r"^<!-- snippets: (?P<how>.+?) -->$")
_OF_BLOCK = re.compile(r"^ *<!-- snippet: (?P<how>.+?) -->$")
_COMMAND = re.compile(r"\s*(gateway|model-repo-builder|make|curl|python) ")  # of a block that names no language
_HOW = re.compile(r'(?P<verb>run|checked|shown)(?:, prints "(?P<prints>[^"]+)"| as (?P<kind>\w+)|, (?P<reason>.+))?')


@dataclass(frozen=True, slots=True)
class Snippet:
    """One block. ``place``: page and line, for people."""

    place: str
    language: str
    text: str
    verb: str
    prints: str | None = None
    kind: str | None = None
    reason: str | None = None

    @property
    def page(self) -> str:
        return self.place.rpartition(":")[0]


def snippets(page: str, text: str) -> Iterator[Snippet]:
    """The blocks of a page, those of languages in DEFAULT. ValueError where a marker cannot be understood."""
    of_page: str | None = None
    of_block: str | None = None
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if marker := _OF_PAGE.match(line):
            of_page = marker["how"]
        elif marker := _OF_BLOCK.match(line):
            of_block = marker["how"]
        elif opened := _FENCE.match(line):
            indent, ticks, language = opened["indent"], opened["ticks"], opened["language"]
            block = []
            for _, inner in lines:
                if inner.strip() == ticks:
                    break
                block.append(inner.removeprefix(indent))
            if not language and _COMMAND.match("\n".join(block)):
                language = "bash"
            if language in DEFAULT:
                how = of_block or of_page or DEFAULT[language]
                yield _snippet(f"{page}:{number}", language, "\n".join(block) + "\n", how)
            of_block = None
        elif line.strip() and of_block is not None:
            raise ValueError(f"{page}:{number}: a marker belongs right above a block")


def _snippet(place: str, language: str, text: str, how: str) -> Snippet:
    match = _HOW.fullmatch(how)
    if match is None or (match["verb"] == "shown") != (match["reason"] is not None):
        raise ValueError(f"{place}: {how!r} is none of: run, checked, shown with a reason")
    return Snippet(place, language, text, match["verb"], match["prints"], match["kind"], match["reason"])


def pages(root: Path) -> dict[str, str]:
    """The README and every page of docs/, by their paths."""
    paths = [
        root / "README.md",
        root / "README.zh.md",
        root / "CONTRIBUTING.md",
        *sorted((root / "docs").rglob("*.md")),
    ]
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths}
