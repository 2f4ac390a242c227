"""The shapes of Triton models that give vectors: inputs → tensors, outputs → vectors. Their tensor names are here only.

As in ``routes``, what a model declares (its ModelConfig) is read once, and the names that exist are used. Token ids are
padded on the right, and only for a model that is told where each input ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from gateway.core import pooling as numbers
from gateway.core.embedding import EmbeddingTokenizer, EmbedInput
from gateway.core.embedding_choices import Pooling, Sizes
from gateway.core.errors import UnsupportedField, UpstreamError
from gateway.core.pooling import FLOATS, Vectors
from gateway.core.routes import BindError
from gateway.core.tensors import ModelSignature, Tensor, TensorSpec

# Vectors of every token are large: a reply must stay well below what a gRPC message may hold.
MOST_REPLY_BYTES = 48 * 1024 * 1024

_INTEGERS: Mapping[str, str] = MappingProxyType({"INT32": "<i4", "INT64": "<i8"})
_MASK, _LENGTHS = "attention_mask", "input_lengths"

# What may stand beside the token ids: lengths, width → values, one row for each input.
_BESIDE: Mapping[str, Callable[[Any, int], Any]] = MappingProxyType(
    {
        _MASK: lambda lengths, width: np.arange(width) < lengths[:, None],
        _LENGTHS: lambda lengths, width: lengths[:, None],
        "position_ids": lambda lengths, width: np.tile(np.arange(width), (len(lengths), 1)),
        "token_type_ids": lambda lengths, width: np.zeros((len(lengths), width)),
    }
)


@dataclass(frozen=True, slots=True)
class EmbeddingRoute:
    """How one model is asked for vectors, as configured. ``sizes``: dimensions a client may ask for besides its own."""

    triton_model: str
    input: str | None = None  # None: found by its type
    output: str | None = None
    pooling: Pooling = "none"
    normalize: bool = True
    sizes: Sizes = ()
    max_model_len: int | None = None


@dataclass(frozen=True, slots=True)
class BoundEmbedding:
    """A route bound to what one Triton model declares. ``size``: of its vectors; None: its replies say."""

    route: EmbeddingRoute
    input: TensorSpec
    beside: tuple[TensorSpec, ...]
    output: TensorSpec
    size: int | None
    max_batch_size: int

    @property
    def model(self) -> str:
        return self.route.triton_model

    @property
    def takes_text(self) -> bool:
        return self.input.datatype == "BYTES"

    @property
    def other_sizes(self) -> str | None:
        """Of vectors that a client may ask for, in words; None: only their own."""
        sizes = self.route.sizes
        if isinstance(sizes, range):
            return f"{sizes[0]} to {sizes[-1]}"
        return ", ".join(map(str, sizes)) or None

    def check(self, dimensions: int | None) -> None:
        """UnsupportedField where the model has no vectors of that size."""
        if dimensions is None or dimensions == self.size:
            return
        if dimensions not in self.route.sizes:
            own = "its own" if self.size is None else str(self.size)
            what = f"{self.other_sizes} and {own}" if self.other_sizes else own
            raise UnsupportedField(
                f"'dimensions' cannot be {dimensions}: the sizes of this model's vectors are {what}.",
                param="dimensions",
            )
        if self.size is not None and dimensions > self.size:
            raise self._too_small(self.size)

    def batches(self, inputs: Sequence[EmbedInput]) -> list[tuple[int, ...]]:
        """Which inputs go together, as indexes. Inputs of like length do, so that little is padded."""
        if self.takes_text:
            # The length of a text in the engine is its own: its token vectors can be told apart only when it is alone.
            most = 1 if self.route.pooling != "none" else max(1, self.max_batch_size)
            return [tuple(range(at, min(at + most, len(inputs)))) for at in range(0, len(inputs), most)]
        lengths = [len(item.ids or ()) for item in inputs]
        batches: list[list[int]] = []
        for index in sorted(range(len(inputs)), key=lengths.__getitem__):
            if batches and self._fits(batches[-1], lengths, index):
                batches[-1].append(index)
            else:
                batches.append([index])
        return [tuple(batch) for batch in batches]

    def _fits(self, batch: list[int], lengths: Sequence[int], index: int) -> bool:
        padded = lengths[index] != lengths[batch[-1]]
        return (
            len(batch) < self.max_batch_size
            and (not padded or any(spec.name in (_MASK, _LENGTHS) for spec in self.beside))
            and (len(batch) + 1) * self.reply_bytes(lengths[index]) <= MOST_REPLY_BYTES
        )

    def reply_bytes(self, length: int) -> int:
        """Of one input's vectors, where every token has one."""
        if self.route.pooling == "none" or self.size is None:
            return 0
        return length * self.size * np.dtype(FLOATS[self.output.datatype]).itemsize

    def encode(self, inputs: Sequence[EmbedInput], tokenizer: EmbeddingTokenizer | None) -> list[Tensor]:
        """The tensors of one batch. UnsupportedField for an input in a form that the model does not take."""
        if self.takes_text:
            texts = [_text(item, tokenizer).encode() for item in inputs]
            return [Tensor.of_bytes(self.input.name, self._shape(self.input, len(texts), 1), texts)]
        ids = [_ids(item) for item in inputs]
        lengths = np.array([len(row) for row in ids])
        width = int(lengths.max())
        padded = np.zeros((len(ids), width), np.int64)
        padded[_BESIDE[_MASK](lengths, width)] = list(chain.from_iterable(ids))
        rows = [(self.input, padded), *((spec, _BESIDE[spec.name](lengths, width)) for spec in self.beside)]
        return [
            Tensor(
                spec.name,
                spec.datatype,
                self._shape(spec, len(ids), values.shape[1]),
                values.astype(_INTEGERS[spec.datatype]).tobytes(),
            )
            for spec, values in rows
        ]

    def _shape(self, spec: TensorSpec, count: int, width: int) -> tuple[int, ...]:
        batch = (count,) if self.max_batch_size > 0 else ()
        return (*batch, *(1 for _ in spec.dims[:-1]), width)

    def decode(self, outputs: Mapping[str, Tensor], inputs: Sequence[EmbedInput]) -> Vectors:
        """The batch's vectors, as the model means them. UpstreamError where the reply does not hold them."""
        tensor = outputs.get(self.output.name)
        if tensor is None:
            raise UpstreamError(f"Triton model '{self.model}' answered without {self.output.name}.")
        try:
            if self.route.pooling == "none":
                return numbers.vectors(tensor, len(inputs))
            lengths = None if self.takes_text else [len(item.ids or ()) for item in inputs]
            return numbers.pooled(tensor, lengths, len(inputs), self.route.pooling)
        except ValueError as exc:
            raise UpstreamError(f"Triton model '{self.model}' gave no vectors: {exc}.") from exc

    def assemble(self, parts: Sequence[Vectors], batches: Sequence[Sequence[int]], dimensions: int | None) -> Vectors:
        """The vectors of all batches in the order of their inputs, of the size that was asked for."""
        if len({part.shape[1] for part in parts}) > 1:
            raise UpstreamError(f"Triton model '{self.model}' gave vectors of different sizes.")
        size = parts[0].shape[1]
        if dimensions is not None and dimensions > size:
            raise self._too_small(size)
        whole = np.empty((sum(map(len, batches)), size), np.float32)
        for part, indexes in zip(parts, batches, strict=True):
            whole[list(indexes)] = part
        try:
            return numbers.sized(whole, dimensions, normalize=self.route.normalize)
        except ValueError as exc:
            raise UpstreamError(f"Triton model '{self.model}' gave no vectors: {exc}.") from exc

    def _too_small(self, size: int) -> UnsupportedField:
        return UnsupportedField(
            f"'dimensions' must not be more than {size}, the size of this model's vectors.", param="dimensions"
        )


def _text(item: EmbedInput, tokenizer: EmbeddingTokenizer | None) -> str:
    if item.text is not None:
        return item.text
    text = None if tokenizer is None else tokenizer.decode(item.ids or ())
    if text is None:
        raise UnsupportedField("This model takes text, and no text gives exactly these token ids.", param="input")
    return text


def _ids(item: EmbedInput) -> tuple[int, ...]:
    if item.ids is None:
        raise UnsupportedField(
            "This model takes token ids, and the server has no tokenizer for it: send ids, or set 'tokenizer' in its "
            "[[embeddings]] table.",
            param="input",
        )
    return item.ids


def bind(route: EmbeddingRoute, signature: ModelSignature) -> BoundEmbedding:
    """The route on this model. BindError that says which setting is missing or wrong."""
    where = f"Triton model '{signature.name}'"
    given = _input(route, signature, where)
    beside = tuple(
        spec
        for spec in signature.inputs
        if given.datatype != "BYTES" and spec.name in _BESIDE and spec is not given and spec.datatype in _INTEGERS
    )
    unknown = [s.name for s in signature.inputs if not s.optional and s is not given and s not in beside]
    if unknown:
        raise BindError(
            f"{where} demands the input {', '.join(unknown)}, which nothing here can fill. Known beside the token ids "
            f"are {', '.join(_BESIDE)}."
        )
    for spec in (given, *beside):
        wide = spec.datatype != "BYTES" and spec.name != _LENGTHS
        ones = spec.dims[:-1] if wide else spec.dims
        if any(dim not in (-1, 1) for dim in ones) or (wide and spec.dims[-1:] != (-1,)):
            raise BindError(
                f"{where}: its input {spec.name} has the shape {list(spec.dims)}, but inputs have any length. Declare "
                "[-1] in its config.pbtxt."
            )
    output = _output(route, signature, where)
    size = output.dims[-1] if output.dims and output.dims[-1] > 0 else None
    middle = output.dims[:-1] if signature.max_batch_size > 0 else output.dims[1:-1]
    if route.pooling == "none" and any(dim != 1 for dim in middle):
        raise BindError(
            f"{where}: its output {output.name} has the shape {list(output.dims)}, a vector for every token. Set "
            "pooling to last (as Qwen3-Embedding), mean or cls."
        )
    if route.pooling != "none" and len(output.dims) < 2:
        raise BindError(
            f"{where}: its output {output.name} has the shape {list(output.dims)}, one vector for each input, so that "
            f"there is nothing to pool. Set pooling to none instead of {route.pooling}."
        )
    bound = BoundEmbedding(route, given, beside, output, size, signature.max_batch_size)
    longest = bound.reply_bytes(route.max_model_len or 1)
    if longest > MOST_REPLY_BYTES:
        raise BindError(
            f"{where}: the vectors of {route.max_model_len} tokens are {longest} bytes, more than the "
            f"{MOST_REPLY_BYTES} that are read. Set max_model_len to at most "
            f"{MOST_REPLY_BYTES // bound.reply_bytes(1)}, or pool in the Triton model."
        )
    return bound


def _input(route: EmbeddingRoute, signature: ModelSignature, where: str) -> TensorSpec:
    kinds = ("BYTES", *_INTEGERS)
    if route.input is not None:
        named = signature.input(route.input)
        if named is None or named.datatype not in kinds:
            raise BindError(
                f"{where} has no input '{route.input}' of text or token ids. Set input to one of: "
                f"{_listed(signature.inputs)}."
            )
        return named
    found = [spec for spec in signature.inputs if spec.datatype in kinds and spec.name not in _BESIDE]
    demanded = [spec for spec in found if not spec.optional]
    chosen = demanded or found
    if len(chosen) != 1:
        raise BindError(
            f"{where}: which input takes the text or the token ids is not clear. Set input to one of: "
            f"{_listed(signature.inputs)}."
        )
    return chosen[0]


def _output(route: EmbeddingRoute, signature: ModelSignature, where: str) -> TensorSpec:
    if route.output is not None:
        named = signature.output(route.output)
        if named is None or named.datatype not in FLOATS:
            raise BindError(
                f"{where} has no output '{route.output}' of floats. Set output to one of: {_listed(signature.outputs)}."
            )
        return named
    found = [spec for spec in signature.outputs if spec.datatype in FLOATS]
    if len(found) != 1:
        raise BindError(
            f"{where}: which output holds the vectors is not clear. Set output to one of: {_listed(signature.outputs)}."
        )
    return found[0]


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} ({spec.datatype} {list(spec.dims)})" for spec in specs) or "(none)"
