"""A Triton tensor as a value: name, datatype, shape and raw little-endian bytes, as the KServe v2 protocol has it.

It knows datatypes and the BYTES encoding (each element: four bytes of length, then the bytes). It must not know
what any tensor means (``routes``) nor how it is sent (``triton``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import NamedTuple

# KServe v2 datatype → struct code. BYTES and BF16 are no struct types.
CODES = {
    "BOOL": "?",
    "INT8": "b",
    "UINT8": "B",
    "INT16": "h",
    "UINT16": "H",
    "INT32": "i",
    "UINT32": "I",
    "INT64": "q",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}

Scalar = int | float | bool
Described = tuple[str, str, tuple[int, ...]]  # name, datatype and shape of a tensor

_MOST_VALUES = 2**26  # of one tensor: no message that we take holds more


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One declared input or output. ``dims`` has no batch dimension; -1 is any length."""

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """What a Triton model declares about itself: the part of ModelConfig that a route binds to."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    decoupled: bool = False
    max_batch_size: int = 0
    parameters: tuple[tuple[str, str], ...] = ()

    def input(self, name: str) -> TensorSpec | None:
        return next((spec for spec in self.inputs if spec.name == name), None)

    def output(self, name: str) -> TensorSpec | None:
        return next((spec for spec in self.outputs if spec.name == name), None)

    def parameter(self, name: str) -> str | None:
        return dict(self.parameters).get(name)


class Tensor(NamedTuple):
    """A tensor on its way to or from Triton. ``data`` is the raw content, row-major.

    A tuple, because two are made for every token: half the cost of a frozen dataclass.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, name: str, datatype: str, shape: tuple[int, ...], values: Sequence[Scalar]) -> Tensor:
        """A numeric tensor. ValueError where a value does not fit the datatype or the count the shape."""
        if len(values) != prod(shape):
            raise ValueError(f"{name}: {len(values)} values do not fill shape {list(shape)}")
        layout = layout_of(datatype, shape)
        if layout is None:
            raise ValueError(f"{name}: a value does not fit {datatype}{list(shape)}: there are no such numbers")
        try:
            return cls(name, datatype, shape, layout.pack(*values))
        except (struct.error, OverflowError) as exc:
            raise ValueError(f"{name}: a value does not fit {datatype}: {exc}") from exc

    @classmethod
    def of_bytes(cls, name: str, shape: tuple[int, ...], values: Sequence[bytes]) -> Tensor:
        """A BYTES tensor (Triton's TYPE_STRING)."""
        if len(values) != prod(shape):
            raise ValueError(f"{name}: {len(values)} values do not fill shape {list(shape)}")
        return cls(name, "BYTES", shape, b"".join(struct.pack("<I", len(v)) + v for v in values))

    def numbers(self) -> tuple[Scalar, ...]:
        """The values, flat. ValueError where the bytes do not hold what datatype and shape say."""
        layout = layout_of(self.datatype, self.shape)
        if layout is None or len(self.data) != layout.size:
            raise ValueError(f"{self.name}: {len(self.data)} bytes are no {self.datatype}{list(self.shape)}")
        return layout.unpack(self.data)

    def strings(self) -> tuple[bytes, ...]:
        """The elements of a BYTES tensor, flat. ValueError where the lengths do not add up."""
        values: list[bytes] = []
        data, at = self.data, 0
        while at < len(data):
            if at + 4 > len(data):
                raise ValueError(f"{self.name}: a BYTES length is cut off")
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
            if at + size > len(data):
                raise ValueError(f"{self.name}: a BYTES element is cut off")
            values.append(data[at : at + size])
            at += size
        return tuple(values)


class Response(NamedTuple):
    """One response of a model: what its outputs are, and their raw contents in the same order. ``final`` is Triton's
    flag that no other follows.

    Apart, because responses differ in little but contents: a transport may give the same ``described`` again and again.
    """

    described: tuple[Described, ...]
    contents: tuple[bytes, ...]
    final: bool

    @classmethod
    def of(cls, outputs: Iterable[Tensor], final: bool) -> Response:
        outputs = tuple(outputs)
        return cls(tuple(output[:3] for output in outputs), tuple(output.data for output in outputs), final)

    @property
    def outputs(self) -> dict[str, Tensor]:
        """By their names."""
        pairs = zip(self.described, self.contents, strict=True)
        return {described[0]: Tensor(*described, content) for described, content in pairs}


@lru_cache(maxsize=1024)
def layout_of(datatype: str, shape: tuple[int, ...]) -> struct.Struct | None:
    """How the content of such a tensor is packed; None where there can be none, and for BYTES."""
    code, count = CODES.get(datatype), prod(shape)
    if code is None or not 0 <= count <= _MOST_VALUES:
        return None
    return struct.Struct(f"<{count}{code}")
