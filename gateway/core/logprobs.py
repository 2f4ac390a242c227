"""Which log-probabilities belong to which text. It knows tokens and characters, not engines nor replies.

A client reads them as the tokens of the text it got: the tokens of a stop string that was cut off, and those of the
thinking, are not among them. So each waits until the text it begins in is given out.
"""

from __future__ import annotations

from collections import deque

from gateway.core.types import TokenLogprob


class LogprobQueue:
    """Log-probabilities in the order of their tokens, held back like their text."""

    __slots__ = ("_read", "_waiting", "_written")

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, TokenLogprob]] = deque()
        self._read = 0  # characters that tokens have made so far
        self._written = 0  # characters that were given out

    def push(self, token: TokenLogprob, made: int) -> None:
        """A token, and how many characters became certain with it."""
        self._waiting.append((self._read, token))
        self._read += made

    def skip(self, made: int) -> None:
        """A token whose log-probability nobody wants."""
        self._read += made

    def take(self, given: int) -> tuple[TokenLogprob, ...]:
        """Those of the tokens whose text begins in the ``given`` characters that now go out."""
        self._written += given
        tokens = []
        while self._waiting and self._waiting[0][0] < self._written:
            tokens.append(self._waiting.popleft()[1])
        return tuple(tokens)

    def flush(self) -> tuple[TokenLogprob, ...]:
        """The rest, where the answer ended without a stop string: tokens that made no character of their own."""
        tokens = tuple(token for _, token in self._waiting)
        self._waiting.clear()
        return tokens
