"""The objects of the endpoints that are neither OpenAI's nor Anthropic's: tokens, rendered prompts, the version."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .openai_objects.base import Strict
from .openai_objects.chat import Count


class Tokens(Strict):
    count: Count
    max_model_len: Annotated[int, Field(gt=0)]
    tokens: list[Count]
    token_strs: list[str] | None

    @model_validator(mode="after")
    def _of_one_length(self) -> Tokens:
        if self.count != len(self.tokens) or len(self.token_strs or self.tokens) != self.count:
            raise ValueError("count, tokens and token_strs differ")
        return self


class Text(Strict):
    prompt: str


class Rendered(Strict):
    model: str
    prompt: str
    token_ids: list[Count]
    count: Count


class Version(Strict):
    version: str
