"""Tags in text that comes in pieces: where one stands, and how much of the end of the text may still become one.

It knows strings that begin with ``<``. It must not know what they mean.
"""

from __future__ import annotations

import re

WHITESPACE = " \t\r\n"


class Tags:
    """A few tags looked for together. ``<`` is their first character, so only places with one are looked at."""

    __slots__ = ("_reach", "_tags", "search")

    def __init__(self, *tags: str) -> None:
        self._tags = tags
        self._reach = max(map(len, tags)) - 1
        self.search = re.compile("|".join(map(re.escape, tags))).search

    def beginning(self, text: str, at: int) -> int:
        """Where, from ``at`` on, the end of the text begins a tag; the length of the text if nowhere. There must be no
        whole tag."""
        start = text.find("<", max(at, len(text) - self._reach))
        while start >= 0:
            rest = text[start:]
            if any(tag.startswith(rest) for tag in self._tags):
                return start
            start = text.find("<", start + 1)
        return len(text)

    def stands(self, text: str, at: int) -> str | None:
        """The tag that stands at ``at``; None: none does; empty: the text ends before that is certain."""
        rest = text[at : at + self._reach + 1]
        for tag in self._tags:
            if rest.startswith(tag):
                return tag
        return "" if any(tag.startswith(rest) for tag in self._tags) else None
