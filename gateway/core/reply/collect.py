"""Deltas of all choices → what each choice is in the end. It knows parts; it must not know anybody's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Reasoning, TokenLogprob, Usage


@dataclass(slots=True)
class Call:
    id: str
    name: str
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Choice:
    """One answer, as it grows."""

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: Finish | None = None

    def push(self, delta: Delta) -> None:
        for part in delta.parts:
            if isinstance(part, Content):
                self.content.append(part.text)
            elif isinstance(part, Reasoning):
                self.reasoning.append(part.text)
            elif isinstance(part, CallStart):
                self.calls.append(Call(part.id, part.name))
            elif isinstance(part, CallArguments):
                self.calls[part.index].arguments.append(part.text)
        self.logprobs += delta.logprobs
        if delta.finish is not None:
            self.finish = delta.finish


def total(finishes: Sequence[Finish | None], n: int) -> Usage:
    """Counts of a whole request with ``n`` answers to each prompt: a prompt counts once, as at OpenAI."""
    counts = [finish.usage for finish in finishes if finish is not None]
    prompts = [finish.usage for finish in finishes[::n] if finish is not None]
    return Usage(
        sum(count.prompt_tokens for count in prompts),
        sum(count.completion_tokens for count in counts),
        _sum([count.cached_tokens for count in prompts]),
        _sum([count.reasoning_tokens for count in counts]),
    )


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) and known else None
