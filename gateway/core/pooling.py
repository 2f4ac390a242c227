"""Float tensors → vectors: one for each input, cut and of unit length as asked. Numbers only.

It knows datatypes and the ways to make one vector of a sequence's. It must not know models, requests or JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.core.embedding_choices import Pooling
from gateway.core.tensors import Tensor

Vectors = npt.NDArray[np.float32]  # (inputs, size)

# KServe v2 datatype → numpy's, little-endian. BF16 is the upper half of a float32.
FLOATS: Mapping[str, str] = MappingProxyType({"FP16": "<f2", "BF16": "<u2", "FP32": "<f4"})

# One input's token vectors, (tokens, size) without padding → its vector.
_POOLS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "last": lambda tokens: tokens[-1],
        "mean": lambda tokens: tokens.mean(axis=0, dtype=np.float64),
        "cls": lambda tokens: tokens[0],
    }
)


def vectors(tensor: Tensor, count: int) -> Vectors:
    """``count`` vectors that the model has pooled itself. ValueError where the tensor does not hold so many."""
    rows = prod(tensor.shape[:-1])
    if rows != count:
        raise ValueError(f"{tensor.name} has {rows} vectors in shape {list(tensor.shape)} for {count} inputs")
    found: Vectors = _floats(tensor).reshape(count, -1)
    return found


def pooled(tensor: Tensor, lengths: Sequence[int] | None, count: int, pooling: Pooling) -> Vectors:
    """The vectors of ``count`` sequences, padded on the right. ``lengths`` None: nothing is padded.

    ValueError where the tensor does not hold sequences of that length.
    """
    rows = prod(tensor.shape[:-1])
    if rows == 0 or rows % count or (count > 1 and tensor.shape[0] != count):
        raise ValueError(f"{tensor.name} has {rows} vectors in shape {list(tensor.shape)} for {count} inputs")
    width = rows // count
    if lengths is not None and max(lengths) > width:
        raise ValueError(f"{tensor.name} has {width} vectors for an input of {max(lengths)} tokens")
    sequences = _floats(tensor).reshape(count, width, -1)
    pool = _POOLS[pooling]
    ends = [width] * count if lengths is None else lengths
    found = [pool(sequence[:end]) for sequence, end in zip(sequences, ends, strict=True)]
    return np.asarray(found, np.float32)


def sized(given: Vectors, size: int | None, *, normalize: bool) -> Vectors:
    """The first ``size`` values of each vector. Of unit length where asked and wherever something was cut off.

    ValueError for values that are no finite numbers, which no JSON can carry.
    """
    if not np.isfinite(given).all():
        raise ValueError("a value is no finite number")
    kept = given if size is None else given[:, :size]
    if not normalize and kept.shape == given.shape:
        return kept
    exact = kept.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    found: Vectors = (exact / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return found


def _floats(tensor: Tensor) -> Vectors:
    code = FLOATS.get(tensor.datatype)
    if code is None or min(tensor.shape, default=0) < 1:
        raise ValueError(f"{tensor.name} is a {tensor.datatype} of shape {list(tensor.shape)}, which holds no vectors")
    if len(tensor.data) != prod(tensor.shape) * np.dtype(code).itemsize:
        raise ValueError(
            f"{tensor.name}: {len(tensor.data)} bytes are no {tensor.datatype} of shape {list(tensor.shape)}"
        )
    values: Any = np.frombuffer(tensor.data, code)
    if tensor.datatype == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    floats: Vectors = values.astype(np.float32, copy=False).reshape(tensor.shape)
    return floats
