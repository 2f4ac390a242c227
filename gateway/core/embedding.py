"""A checked request for embeddings → ``Embed``: inputs tokenized and counted, limits checked.

It knows what every input has to hold. It must not know the Triton model that answers (``embedding_route``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.schema.embeddings import EmbeddingRequest, Input

# A text with more characters for each token that it may have is counted piece by piece, until there are too many.
CHARACTERS_PER_TOKEN = 8
PIECE = 64 * 1024
MOST_ADDED = 8  # tokens that a piece may have and the text not: at its cut, and those the tokenizer adds to each text


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
    inputs = tuple(_input(item, at, tokenizer, max_model_len) for at, item in enumerate(request.input))
    known = [len(item.ids) for item in inputs if item.ids is not None]
    return Embed(
        id=id,
        model=request.model,
        inputs=inputs,
        tokens=sum(known) if len(known) == len(inputs) else None,
        dimensions=request.dimensions,
    )


def _input(item: Input, at: int, tokenizer: EmbeddingTokenizer | None, max_model_len: int | None) -> EmbedInput:
    if not isinstance(item, str):
        _check_length(len(item), at, max_model_len)
        if tokenizer is not None and max(item) >= tokenizer.vocab_size:
            raise RequestError(
                f"Input {at} holds token id {max(item)}, but the model has {tokenizer.vocab_size} tokens. Ids of "
                "another model's tokenizer mean another text here: send the text.",
                param="input",
            )
        return EmbedInput(None, item)
    if tokenizer is None:
        return EmbedInput(item, None)
    if max_model_len is not None and len(item) > max_model_len * CHARACTERS_PER_TOKEN:
        _check_pieces(item, at, tokenizer, max_model_len)
    ids = tuple(tokenizer.encode(item))
    if not ids:
        raise RequestError(f"Input {at} has no tokens in this model's vocabulary.", param="input")
    _check_length(len(ids), at, max_model_len)
    return EmbedInput(item, ids)


def _check_pieces(text: str, at: int, tokenizer: EmbeddingTokenizer, max_model_len: int) -> None:
    """Refuse what cannot fit before all of it is tokenized: megabytes take seconds."""
    count = 0
    for start in range(0, len(text), PIECE):
        count += len(tokenizer.encode(text[start : start + PIECE])) - MOST_ADDED
        _check_length(count, at, max_model_len, "more than ")


def _check_length(count: int, at: int, max_model_len: int | None, more: str = "") -> None:
    if max_model_len is not None and count > max_model_len:
        raise ContextLengthExceeded(
            f"Input {at} has {more}{count} tokens, but this model takes at most {max_model_len} for each. Split it.",
            param="input",
        )
