"""One generation: tokens come in as the pipeline makes them, deltas go out as TensorRT-LLM sends them.

An end token is neither contained nor counted; a stop word is contained, and its last token is the last of
the sequence.

It is pure: it knows the rules of ending, and must not know the pipeline, threads or Triton.
"""

from collections.abc import Sequence as Ids
from dataclasses import dataclass, field

from .request import Request


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new; ``log_probs`` are those of all tokens so far, as the contract wants, or empty if nobody asked."""

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    final: bool


@dataclass(slots=True)
class Sequence:
    """The tokens of one request so far."""

    request: Request
    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    finished: bool = False
    _sent: int = 0

    def push(self, ids: Ids[int], log_probs: Ids[float]) -> None:
        """Take what the pipeline made; whatever comes after the end is dropped."""
        for token, log_prob in zip(ids, log_probs, strict=True):
            if self.finished:
                return
            if token in self.request.end_ids:
                self.finished = True
                return
            self.ids.append(token)
            self.log_probs.append(log_prob)
            self.finished = len(self.ids) >= self.request.max_tokens or self._ends_with_stop_word()

    def take(self) -> Delta | None:
        """What to send now: nothing, the new tokens, or at the end of a request without streaming all of them."""
        if not self.finished and (not self.request.streaming or self._sent == len(self.ids)):
            return None
        new = tuple(self.ids[self._sent :])
        self._sent = len(self.ids)
        log_probs = tuple(self.log_probs) if self.request.log_probs else ()
        return Delta(new, log_probs, self.finished)

    def _ends_with_stop_word(self) -> bool:
        return any(tuple(self.ids[-len(word) :]) == word for word in self.request.stop_words)
