"""Where prefixes of prompts were last computed: the affinity table.

It knows blocks of token ids, hashes and addresses; it must not know loads, states or who is chosen. A prompt is marked
after its first, second, third … block, at distances that grow with the length, so that a long one costs few entries;
each mark's hash covers everything before it. A wrong entry costs a cache miss, never a wrong answer, so hashes are not
compared with the ids behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_ROOT_TOKENS = (1024, 4096, 16384)


class Mark(NamedTuple):
    """The hash of the first ``tokens`` ids of a prompt."""

    tokens: int
    hash: int


def boundaries(blocks: int) -> tuple[int, ...]:
    """Counts of blocks after which a prompt is marked, each at most a fifth above the one before."""
    found = []
    at = 1
    while at <= blocks:
        found.append(at)
        at += max(1, at // 5)
    return tuple(found)


class PrefixTable:
    """Prefix → address, of bounded size: what was not used for longest goes first."""

    def __init__(self, *, entries: int, blocks: int, tokens_per_block: int) -> None:
        self._limit = entries
        self._block = tokens_per_block
        marked = boundaries(blocks)
        self._boundaries = frozenset(marked)
        # The last mark up to each of these lengths; where all reach only to the first mark, there is none.
        ends = [max((mark for mark in marked if mark * tokens_per_block <= most), default=0) for most in _ROOT_TOKENS]
        self._roots = {end * tokens_per_block for end in ends if end}
        self._blocks = blocks
        self._addresses: dict[int, str] = {}  # in order of use

    def __len__(self) -> int:
        return len(self._addresses)

    def marks(self, ids: Sequence[int]) -> list[Mark]:
        """The marks of a prompt, shortest first. Linear in the ids of its first blocks."""
        size, marked = self._block, self._boundaries
        chain = 0
        marks = []
        for block in range(1, min(len(ids) // size, self._blocks) + 1):
            chain = hash((chain, tuple(ids[(block - 1) * size : block * size])))
            if block in marked:
                marks.append(Mark(block * size, chain))
        return marks

    def root(self, marks: Sequence[Mark]) -> str | None:
        """What stands for the beginning of the prompt; it changes seldom while a conversation grows.

        None for prompts that are too short to be told from others under the same system prompt.
        """
        return next((f"{mark.hash:x}" for mark in reversed(marks) if mark.tokens in self._roots), None)

    def address(self, mark: Mark) -> str | None:
        """Who computed this prefix last."""
        return self._addresses.get(mark.hash)

    def remember(self, marks: Sequence[Mark], address: str) -> None:
        """These prefixes are being computed there now."""
        table = self._addresses
        for mark in marks:
            table.pop(mark.hash, None)
            table[mark.hash] = address
        while len(table) > self._limit:
            del table[next(iter(table))]
