"""Marks in the strings of a client, so that a chat template cannot make a token out of them. Pure.

In a prompt ``<|im_end|>`` is control where the template wrote it and text where the client did; once it is rendered
nobody can tell which. So, before rendering, a mark goes into the client's strings: after every character that a token
may begin with, and before every one that a token may end with. Then no token in the rendered text has its first or its
last character from the client, however the template cuts, trims and joins. The text is split at its tokens, and only
then the marks go away.

One way is left. Qwen3-Coder's template writes keys of a JSON schema between a ``<`` and a ``>`` of its own, and there
``tool_call`` would become a token. Where a template has such ends, strings that fit between them get a mark inside.

It knows strings and where tokens begin and end. It must not know templates or token ids.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any


class Quote:
    """Marks for one tokenizer and one template, given the tokens' texts and the texts the template writes itself."""

    def __init__(self, tokens: Collection[str], literals: Collection[str]) -> None:
        self._first = {token[0] for token in tokens}
        self._last = {token[-1] for token in tokens}
        self._ends = _any_of(self._first | self._last)
        self._inside = _inside(tokens, literals)

    def needed(self, value: Any) -> bool:
        """Whether any string in the value has to be marked. Most requests need none."""
        return any(self._suspect(text) for text in strings(value))

    def marked(self, value: Any, mark: str) -> Any:
        """The value with ``mark`` in its strings, keys included. It must occur nowhere in them, nor overlap itself."""
        table = {ord(char): self._beside(char, mark) for char in self._first | self._last}
        return self._marked(value, mark, table)

    def _marked(self, value: Any, mark: str, table: Mapping[int, str]) -> Any:
        if isinstance(value, str):
            if self._inside is not None and self._inside.fullmatch(value):
                value = re.sub(r"[^\W_]", lambda match: match[0] + mark, value, count=1)
            return value.translate(table) if self._ends.search(value) else value
        if isinstance(value, Mapping):
            return {self._marked(k, mark, table): self._marked(v, mark, table) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._marked(item, mark, table) for item in value]
        return value

    def _beside(self, char: str, mark: str) -> str:
        return (mark if char in self._last else "") + char + (mark if char in self._first else "")

    def _suspect(self, text: str) -> bool:
        if self._ends.search(text):
            return True
        return self._inside is not None and self._inside.fullmatch(text) is not None


def strings(value: Any) -> Iterator[str]:
    """Every string in a value of JSON, keys included. Without recursion: the value is a stranger's."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left.extend(value)
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


def _any_of(chars: Collection[str]) -> re.Pattern[str]:
    return re.compile("[" + "".join(map(re.escape, sorted(chars))) + "]" if chars else "(?!)")


def _inside(tokens: Collection[str], literals: Collection[str]) -> re.Pattern[str] | None:
    """What the template's own ends would complete to a token. Only letters and digits count, and their case does not:
    templates replace the rest (``-`` and a space by ``_``, ``$`` by nothing)."""
    found = set()
    for token in tokens:
        before = [i for i in range(1, len(token)) if any(text.endswith(token[:i]) for text in literals)]
        after = [i for i in range(1, len(token)) if any(text.startswith(token[i:]) for text in literals)]
        found |= {re.sub(r"[\W_]", "", token[i:j]) for i in before for j in after if i < j}
    found.discard("")
    if not found:
        return None
    rest = r"[\W_]*"
    return re.compile(rest + "(?:" + "|".join(map(rest.join, sorted(found))) + ")" + rest, re.IGNORECASE)
