"""What clients may send to /v1/embeddings, as OpenAI documents it. It must not know what any model supports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from gateway.core.schema.base import INT32_MAX, Model, from_body, parse

MOST_INPUTS = 2048  # OpenAI's limit
MOST_IDS = 2**20  # more than any model takes; a body may hold millions, and looking at each costs a second

_IDS_SCHEMA = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": INT32_MAX}}
_TEXT_SCHEMA = {"type": "string", "minLength": 1}
_INPUT_SCHEMA = {
    "description": "A text, token ids, or a list of either. No input may be empty.",
    "anyOf": [
        _TEXT_SCHEMA,
        {"type": "array", "minItems": 1, "maxItems": MOST_INPUTS, "items": _TEXT_SCHEMA},
        _IDS_SCHEMA,
        {"type": "array", "minItems": 1, "maxItems": MOST_INPUTS, "items": _IDS_SCHEMA},
    ],
}

Input = str | tuple[int, ...]  # a text, or token ids


def _inputs(value: Any) -> tuple[Input, ...]:
    """The four forms of ``input`` as one: inputs in their order. By hand, because it says which input is wrong."""
    if isinstance(value, str) or (isinstance(value, (list, tuple)) and value and type(value[0]) is int):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a text, a list of texts, a list of token ids, or a list of lists of token ids")
    if not value:
        raise ValueError("the list is empty: give at least one input")
    if len(value) > MOST_INPUTS:
        raise ValueError(f"{len(value)} inputs are more than the {MOST_INPUTS} that one request may have")
    texts = isinstance(value[0], str)
    return tuple(_text(item, at) if texts else _ids(item, at) for at, item in enumerate(value))


def _text(item: Any, at: int) -> str:
    if not isinstance(item, str):
        raise ValueError(f"input {at} is no text, as the first one is")
    if not item:
        raise ValueError(f"input {at} is empty")
    return item


def _ids(item: Any, at: int) -> tuple[int, ...]:
    if not isinstance(item, (list, tuple)):
        raise ValueError(f"input {at} is neither a text nor a list of token ids, or not of the first one's kind")
    if not item:
        raise ValueError(f"input {at} is empty")
    if len(item) > MOST_IDS:
        raise ValueError(f"input {at} has {len(item)} tokens, more than any model takes")
    if {*map(type, item)} != {int} or min(item) < 0 or max(item) > INT32_MAX:
        raise ValueError(f"input {at} holds something that is no token id")
    return tuple(item)


class EmbeddingRequest(Model):
    """The body of POST /v1/embeddings."""

    model: str
    input: Annotated[tuple[Input, ...], PlainValidator(_inputs), WithJsonSchema(_INPUT_SCHEMA)]
    encoding_format: Literal["float", "base64"] | None = None  # None: float
    dimensions: Annotated[int, Field(ge=1, le=INT32_MAX)] | None = None
    user: str | None = None  # accepted, and not used


def parse_embeddings(body: bytes) -> EmbeddingRequest:
    """The checked request. RequestError that names the field."""
    return parse(EmbeddingRequest, from_body(body))
