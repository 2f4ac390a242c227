"""Lists of models and of embeddings."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from .base import Strict
from .chat import Count


def _floats(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if not raw or len(raw) % 4:
        raise ValueError("not a whole number of 32 bit floats")
    return text


class Model(Strict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Strict):
    object: Literal["list"]
    data: list[Model]


class Embedding(Strict):
    object: Literal["embedding"]
    index: Count
    embedding: Annotated[list[float], Field(min_length=1)] | Annotated[str, AfterValidator(_floats)]


class EmbeddingUsage(Strict):
    prompt_tokens: Count
    total_tokens: Count


class EmbeddingList(Strict):
    object: Literal["list"]
    data: Annotated[list[Embedding], Field(min_length=1)]
    model: str
    usage: EmbeddingUsage = Field(default=None)  # ours: absent where the server has no tokenizer to count with
