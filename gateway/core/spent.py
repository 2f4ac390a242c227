"""How many tokens a request is worth: before, as a bound, and while its answers come. For limits, not for usage."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.types import Delta, Generate


class Spent:
    """Counts one request. What an answer's end says is exact; until then each delta is one token, or what it says."""

    def __init__(self, generates: Sequence[Generate]) -> None:
        # As in usage, a prompt with several answers counts once. They share it, and it is long: no comparing.
        self.prompt_tokens = sum({id(each.prompt): len(each.prompt.ids) for each in generates}.values())
        self.most = sum(each.max_tokens for each in generates)  # that the answers may have
        self._answers: dict[int, int] = {}
        self._refunded = False

    def push(self, delta: Delta) -> None:
        """Counts what came."""
        counted = delta.finish.usage if delta.finish is not None else delta.usage
        before = self._answers.get(delta.choice, 0)
        self._answers[delta.choice] = before + 1 if counted is None else counted.completion_tokens

    def failed(self) -> None:
        """Triton or the queue ended it: what brought nothing costs nothing."""
        self._refunded = not self._answers

    @property
    def tokens(self) -> int:
        """Of prompts and answers so far."""
        return 0 if self._refunded else self.prompt_tokens + sum(self._answers.values())
