"""Completions of a prompt: whole and streamed are one object, with another nullability of the finish reason."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Strict
from .chat import Count, Logarithm, Usage


class CompletionLogprobs(Strict):
    """Four lists with an entry per token. The first token of an echoed prompt has no probability: null."""

    tokens: list[str]
    token_logprobs: list[Logarithm | None]
    top_logprobs: list[dict[str, Logarithm] | None] | None
    text_offset: list[Count]

    @model_validator(mode="after")
    def _of_one_length(self) -> CompletionLogprobs:
        lists = [
            self.tokens,
            self.token_logprobs,
            self.text_offset,
            *([self.top_logprobs] if self.top_logprobs else []),
        ]
        if len({len(each) for each in lists}) != 1:
            raise ValueError("the lists of logprobs differ in length")
        return self


class CompletionChunkChoice(Strict):
    index: Count
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length", "content_filter"] | None


class CompletionChoice(CompletionChunkChoice):
    finish_reason: Literal["stop", "length", "content_filter"]


class _Completion(Strict):
    id: Annotated[str, Field(pattern="^cmpl-")]
    object: Literal["text_completion"]
    created: int
    model: str
    usage: Usage | None = None
    system_fingerprint: str | None = None


class Completion(_Completion):
    choices: Annotated[list[CompletionChoice], Field(min_length=1)]


class CompletionChunk(_Completion):
    choices: list[CompletionChunkChoice]
