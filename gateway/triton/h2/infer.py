"""ModelStreamInfer's messages: a call → bytes, bytes → responses, without protobuf objects in between.

It knows the fields of Triton's ModelInferRequest and ModelStreamInferResponse (grpc_service.proto), and reads only what
the gateway needs of a response: names, datatypes and shapes of its outputs, their raw content, the final flag, the
error. What it reads is what the protobuf library reads.

Responses to one request differ in little but their raw contents. So the decoder remembers how the last one was laid
out: a message of the same size with the same bytes around its raw contents says the same, whatever the contents are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from gateway.core.errors import UpstreamError
from gateway.core.tensors import Tensor
from gateway.triton.h2.protobuf import LENGTH, VARINT, WireError, fields, numbers, text, write, write_text, write_varint
from gateway.triton.status import engine_failed
from gateway.triton.transport import Call, Response

PATH = "/inference.GRPCInferenceService/ModelStreamInfer"

T = TypeVar("T")

MOST_SEEN = 1024  # parts
LARGEST_SEEN = 1024  # bytes of one

_FINAL = b"triton_final_response"
_TRUE = write_varint(1 << 3) + b"\1"
# Some models end their stream with a response that has the final flag and nothing else: BLS always does.
_PARAMETERS = write(4, write(1, b"triton_enable_empty_final_response") + write(2, _TRUE))


def encode(call: Call) -> bytes:
    """The ModelInferRequest of a call."""
    written = [write_text(1, call.model), write_text(3, call.id), _PARAMETERS]
    written += [_described(tensor.name, tensor.datatype, tensor.shape) for tensor in call.tensors]
    written.append(_wanted(tuple(call.outputs)))
    written += [write(7, tensor.data) for tensor in call.tensors]
    return b"".join(written)


@lru_cache(maxsize=1024)
def _described(name: str, datatype: str, dims: tuple[int, ...]) -> bytes:
    """An input without its content. Few differ: of those of a model, only the prompt's shape."""
    shape = b"".join(map(write_varint, dims))
    return write(5, write_text(1, name) + write_text(2, datatype) + (write(3, shape) if shape else b""))


@lru_cache(maxsize=64)
def _wanted(outputs: tuple[str, ...]) -> bytes:
    return b"".join(write(6, write_text(1, name)) for name in outputs)


class Seen:
    """What parts of messages were found to say, by their bytes: they come again in every response of every request."""

    __slots__ = ("_outputs", "_parameters")

    def __init__(self) -> None:
        self._outputs: dict[bytes, tuple[str, str, tuple[int, ...]]] = {}
        self._parameters: dict[bytes, bool | None] = {}

    def output(self, message: bytes, start: int, stop: int) -> tuple[str, str, tuple[int, ...]]:
        part = message[start:stop]
        known = self._outputs.get(part)
        if known is None:
            known = _read_output(part)
            _keep(self._outputs, part, known)
        return known

    def parameter(self, message: bytes, start: int, stop: int) -> bool | None:
        """The final flag, if the entry is that of it."""
        part = message[start:stop]
        if part in self._parameters:
            return self._parameters[part]
        flag = _read_parameter(part)
        _keep(self._parameters, part, flag)
        return flag


def _keep(seen: dict[bytes, T], part: bytes, said: T) -> None:
    if len(seen) >= MOST_SEEN:
        seen.clear()  # bounded: shapes and ids may differ for ever
    if len(part) <= LARGEST_SEEN:
        seen[part] = said


@dataclass(slots=True)
class _Layout:
    """How a message was laid out. ``outputs``: name, datatype, shape, and where the raw content lies."""

    size: int
    constant: list[tuple[int, int, bytes]]
    outputs: list[tuple[str, str, tuple[int, ...], int, int]]
    final: bool


class Decoder:
    """Reads the responses to one request."""

    __slots__ = ("_layout", "_model", "_seen", "_tensors")

    def __init__(self, model: str, seen: Seen) -> None:
        """``model`` is named where an error is said. ``seen`` is shared by the requests to one server."""
        self._model = model
        self._seen = seen
        self._layout = _Layout(-1, [], [], False)
        self._tensors: dict[str, Tensor] = {}  # of the last response

    def decode(self, message: bytes) -> Response:
        """UpstreamError where the engine says one, or where this is no message."""
        layout = self._layout
        if len(message) == layout.size:
            for start, stop, part in layout.constant:
                if message[start:stop] != part:
                    layout = self._read(message)
                    break
        else:
            layout = self._read(message)
        before = self._tensors
        tensors: dict[str, Tensor] = {}
        for name, datatype, shape, start, stop in layout.outputs:
            data = message[start:stop]
            same = before.get(name)
            if same is None or same.data != data:
                same = Tensor(name, datatype, shape, data)
            tensors[name] = same
        self._tensors = tensors
        return Response(tensors, layout.final)

    def _read(self, message: bytes) -> _Layout:
        try:
            layout = _read(message, self._seen)
        except WireError as exc:
            raise UpstreamError(
                f"Triton sent a response for '{self._model}' that cannot be read: {exc}. Is the address that of "
                "Triton's gRPC port?"
            ) from exc
        self._layout = layout
        self._tensors = {}
        return layout


def _read(message: bytes, seen: Seen) -> _Layout:
    """The layout of a ModelStreamInferResponse. Parts of one that come apart are put together, as protobuf does."""
    error = ""
    outputs: list[tuple[str, str, tuple[int, ...]]] = []
    raw: list[tuple[int, int]] = []
    final = False
    for number, wire, start, stop in fields(message):
        if wire != LENGTH:
            continue
        if number == 1:
            error = text(message, start, stop)
        elif number == 2:
            for inner, wire, a, b in fields(message, start, stop):
                if wire != LENGTH:
                    continue
                if inner == 6:
                    raw.append((a, b))
                elif inner == 5:
                    outputs.append(seen.output(message, a, b))
                elif inner == 4:
                    flag = seen.parameter(message, a, b)
                    final = final if flag is None else flag
    if error:
        raise engine_failed(error)
    if len(outputs) != len(raw):
        raise UpstreamError("Triton sent a response whose outputs are not in raw form.")
    edges = [0, *(edge for span in raw for edge in span), len(message)]
    constant = [(a, b, message[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
    placed = [(*output, *span) for output, span in zip(outputs, raw, strict=True)]
    return _Layout(len(message), constant, placed, final)


def _read_output(message: bytes) -> tuple[str, str, tuple[int, ...]]:
    name = datatype = ""
    shape: list[int] = []
    for number, wire, a, b in fields(message):
        if number == 1 and wire == LENGTH:
            name = text(message, a, b)
        elif number == 2 and wire == LENGTH:
            datatype = text(message, a, b)
        elif number == 3:
            shape += numbers(message, wire, a, b)
    return name, datatype, tuple(shape)


def _read_parameter(message: bytes) -> bool | None:
    key, flag = b"", False
    for number, wire, a, b in fields(message):
        if wire == LENGTH and number == 1:
            key = message[a:b]
        elif wire == LENGTH and number == 2:
            for choice, kind, value, _ in fields(message, a, b):
                if (choice, kind) in _CHOICES:
                    flag = choice == 1 and value != 0
    return flag if key == _FINAL else None


# The alternatives of an InferParameter: the last one that comes counts.
_CHOICES = {(1, VARINT), (2, VARINT), (3, LENGTH), (4, 1), (5, VARINT)}
