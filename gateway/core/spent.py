"""How many tokens a request is worth: before, as a bound, and when its answers end. For limits, not for usage."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.types import Generate


class Spent:
    """Counts one request."""

    def __init__(self, generates: Sequence[Generate]) -> None:
        # As in usage, a prompt with several answers counts once. They share it, and it is long: no comparing.
        self.prompt_tokens = sum({id(each.prompt): len(each.prompt.ids) for each in generates}.values())
        self.most = sum(each.max_tokens for each in generates)  # that the answers may have
        self._answers = 0
        self._refunded = False

    def answered(self, tokens: int) -> None:
        """An answer ended, well or not, and had so many."""
        self._answers += tokens

    def failed(self) -> None:
        """Triton or the queue ended it: what brought nothing costs nothing."""
        self._refunded = not self._answers

    @property
    def tokens(self) -> int:
        """Of prompts and answers."""
        return 0 if self._refunded else self.prompt_tokens + self._answers
