"""A checked request for embeddings → ``Embed``: inputs tokenized and counted, limits checked.

It knows what every input has to hold. It must not know the Triton model that answers (``embedding_route``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.schema.embeddings import EmbeddingRequest, Input


@dataclass(frozen=True, slots=True)
class EmbedInput:
    """One input: ``text``, ``ids`` or both. A text without a tokenizer has no ids, ids of a client have no text."""

    text: str | None
    ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Embed:
    """One request for vectors, valid by construction. ``tokens``: of all inputs; None: not known."""

    id: str  # unique among requests in flight
    model: str
    inputs: tuple[EmbedInput, ...]
    tokens: int | None
    dimensions: int | None = None  # None: the model's own


class EmbeddingTokenizer(Protocol):
    """What embeddings need of a tokenizer. ``gateway.embedding_tokenizer`` satisfies it."""

    @property
    def vocab_size(self) -> int: ...

    def encode(self, text: str) -> list[int]:
        """Token ids with what the tokenizer itself adds, such as Qwen3-Embedding's end token."""
        ...

    def decode(self, ids: Sequence[int]) -> str | None:
        """The text of exactly these ids; None where no text gives them."""
        ...


def build(
    request: EmbeddingRequest, tokenizer: EmbeddingTokenizer | None, *, id: str, max_model_len: int | None
) -> Embed:
    """The request with its inputs tokenized. ContextLengthExceeded or RequestError where an input cannot be served."""
    inputs = tuple(_input(item, at, tokenizer) for at, item in enumerate(request.input))
    counts = [None if item.ids is None else len(item.ids) for item in inputs]
    known = [count for count in counts if count is not None]
    if max_model_len is not None and known and max(known) > max_model_len:
        raise ContextLengthExceeded(
            f"Input {counts.index(max(known))} has {max(known)} tokens, but this model takes at most {max_model_len} "
            "for each. Split it.",
            param="input",
        )
    return Embed(
        id=id,
        model=request.model,
        inputs=inputs,
        tokens=sum(known) if len(known) == len(inputs) else None,
        dimensions=request.dimensions,
    )


def _input(item: Input, at: int, tokenizer: EmbeddingTokenizer | None) -> EmbedInput:
    if tokenizer is None:
        return EmbedInput(item, None) if isinstance(item, str) else EmbedInput(None, item)
    if not isinstance(item, str):
        if max(item) >= tokenizer.vocab_size:
            raise RequestError(
                f"Input {at} holds token id {max(item)}, but the model has {tokenizer.vocab_size} tokens. Ids of "
                "another model's tokenizer mean another text here: send the text.",
                param="input",
            )
        return EmbedInput(None, item)
    ids = tuple(tokenizer.encode(item))
    if not ids:
        raise RequestError(f"Input {at} has no tokens in this model's vocabulary.", param="input")
    return EmbedInput(item, ids)
