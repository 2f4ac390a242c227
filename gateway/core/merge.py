"""Deltas that wait for a slow client, merged while they wait: few large ones instead of many small ones.

What the client puts together from them is the same: text, thinking, calls, log-probabilities, counts, the finish. It
knows parts and how many bytes they are. It must not know frames, sockets or who is slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import StringIO

from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Part, Reasoning, TokenLogprob, Usage

_LOGPROB_BYTES = 256  # that one log-probability is about, here and as JSON


class Backlog:
    """What waits. ``bytes``: about what it holds; UTF-8 of texts, with something for each object beside them."""

    def __init__(self) -> None:
        self._choices: dict[int, _Merged] = {}
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._choices)

    def push(self, delta: Delta) -> None:
        """One more delta of any choice."""
        merged = self._choices.get(delta.choice)
        if merged is None:
            merged = self._choices[delta.choice] = _Merged()
        self.bytes += merged.push(delta)

    def take(self) -> list[Delta]:
        """Everything, one delta for each choice; nothing waits then."""
        choices, self._choices, self.bytes = self._choices, {}, 0
        return [merged.delta(index) for index, merged in choices.items()]


@dataclass(slots=True)
class _Merged:
    """One choice. The last part is open while more of its kind comes: its text is in ``text``."""

    parts: list[Part] = field(default_factory=list)
    open: Content | Reasoning | CallArguments | None = None
    text: StringIO = field(default_factory=StringIO)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: Finish | None = None
    usage: Usage | None = None

    def push(self, delta: Delta) -> int:
        """How many bytes it adds."""
        added = len(delta.logprobs) * _LOGPROB_BYTES
        for part in delta.parts:
            added += self._part(part)
        self.logprobs += delta.logprobs
        self.finish = delta.finish or self.finish
        self.usage = delta.usage or self.usage
        return added

    def delta(self, choice: int) -> Delta:
        self._close()
        return Delta(tuple(self.parts), self.finish, tuple(self.logprobs), choice, self.usage)

    def _part(self, part: Part) -> int:
        if isinstance(part, CallStart):
            self._close()
            self.parts.append(part)
            return 256
        added = len(part.text.encode("utf-8", "replace"))
        if not _same(self.open, part):
            self._close()
            self.open = part
            added += 128
        self.text.write(part.text)
        return added

    def _close(self) -> None:
        text = self.text.getvalue()
        if isinstance(self.open, CallArguments):
            self.parts.append(CallArguments(self.open.index, text))
        elif self.open is not None:
            self.parts.append(type(self.open)(text))
        self.open, self.text = None, StringIO()


def _same(one: Part | None, other: Part) -> bool:
    """Whether the texts of both are one text."""
    if isinstance(one, CallArguments) and isinstance(other, CallArguments):
        return one.index == other.index
    return type(one) is type(other)
