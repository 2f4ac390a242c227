"""Stop strings, matched on text. It knows characters; it must not know tokens: the same text can be tokenized in many
ways, and engines that compare token ids miss most of them.

An Aho-Corasick automaton over all stop strings takes one step per character. Its state is the longest end of the text
that may still become a stop string, and just that is held back; so no part of a stop string is ever sent, and nothing
else is delayed. Work is linear in the text, memory in the stop strings.

The match is the one that ends first; of several that end together, the longest. It does not depend on how the text was
split.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class StopScanner:
    """Text in, text out, until a stop string is found. Then ``matched`` is that string, and no text follows."""

    __slots__ = ("_depth", "_fail", "_held", "_next", "_state", "_word", "matched")

    def __init__(self, stop: Sequence[str]) -> None:
        if any(not word for word in stop):
            raise ValueError("an empty stop string matches everywhere")
        self.matched: str | None = None
        self._state = 0
        self._held = ""
        self._next: list[dict[str, int]] = [{}]
        self._fail = [0]
        self._depth = [0]
        self._word: list[str | None] = [None]
        for word in stop:
            self._add(word)
        self._link()

    def _add(self, word: str) -> None:
        state = 0
        for char in word:
            following = self._next[state].get(char)
            if following is None:
                following = len(self._next)
                self._next[state][char] = following
                self._next.append({})
                self._fail.append(0)
                self._depth.append(self._depth[state] + 1)
                self._word.append(None)
            state = following
        self._word[state] = word

    def _link(self) -> None:
        queue = deque(self._next[0].values())
        while queue:
            state = queue.popleft()
            for char, following in self._next[state].items():
                queue.append(following)
                fail = self._fail[state]
                while fail and char not in self._next[fail]:
                    fail = self._fail[fail]
                self._fail[following] = self._next[fail].get(char, 0)
                # A shorter stop string may end inside a longer one's prefix.
                if self._word[following] is None:
                    self._word[following] = self._word[self._fail[following]]

    def push(self, text: str) -> str:
        """The text that is certain not to begin a stop string. Empty for ever once one is found."""
        if self.matched is not None:
            return ""
        if len(self._next) == 1:
            return text
        nexts, fails, words = self._next, self._fail, self._word
        state = self._state
        for index, char in enumerate(text):
            following = nexts[state].get(char)
            while following is None and state:
                state = fails[state]
                following = nexts[state].get(char)
            state = following or 0
            word = words[state]
            if word is not None:
                self.matched = word
                whole = self._held + text[: index + 1]
                self._held = ""
                return whole[: len(whole) - len(word)]
        self._state = state
        whole = self._held + text
        keep = len(whole) - self._depth[state]
        self._held = whole[keep:]
        return whole[:keep]

    def flush(self) -> str:
        """At the end of the text: what was held back, which is no stop string after all."""
        held, self._held, self._state = self._held, "", 0
        return held
