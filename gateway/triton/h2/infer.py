"""ModelStreamInfer's messages: a call → bytes, bytes → responses, without protobuf objects in between.

It knows the fields of Triton's ModelInferRequest and ModelStreamInferResponse (grpc_service.proto), and reads only what
the gateway needs of a response: names, datatypes and shapes of its outputs, their raw content, the final flag, the
error. What it reads is what the protobuf library reads.

Responses of a server differ in little but the request's id and their raw contents. So it is remembered how they were
laid out: a message of the same size with the same bytes around these says the same, whatever the contents are. That is
kept once for all requests: the processor has it at hand, where something of each request's own would be cold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import TypeVar

from gateway.core.errors import UpstreamError
from gateway.core.tensors import Described, Response
from gateway.core.types import made
from gateway.triton.h2.protobuf import LENGTH, VARINT, WireError, fields, numbers, text, write, write_text, write_varint
from gateway.triton.status import EngineFailed, engine_failed
from gateway.triton.transport import Call, Take

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

    __slots__ = ("_outputs", "_parameters", "layouts")

    def __init__(self) -> None:
        self._outputs: dict[bytes, Described] = {}
        self._parameters: dict[bytes, bool | None] = {}
        self.layouts: dict[int, _Layout] = {}  # of whole messages, by their size

    def keep(self, size: int, layout: _Layout) -> None:
        """For the next message of that size. The last one of a request does not push out that of all before it."""
        if layout.final and size in self.layouts:
            return
        if len(self.layouts) >= MOST_SEEN:
            self.layouts.clear()
        if sum(map(len, layout.constant)) <= LARGEST_SEEN:
            self.layouts[size] = layout

    def output(self, message: bytes, start: int, stop: int) -> Described:
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


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a message was laid out: the bytes that are the same in all like it, and its outputs in the order of their
    raw contents. Both structs are of the whole message and pass over what the other one reads."""

    same: Struct
    constant: tuple[bytes, ...]
    outputs: tuple[Described, ...]
    contents: Struct
    final: bool


class Reader:
    """Reads the responses to one request, and hands them on: those that came together, together."""

    __slots__ = ("_layouts", "_model", "_seen", "_take", "final")

    def __init__(self, model: str, seen: Seen, take: Take) -> None:
        """``model`` is named where an error is said. ``seen`` is shared by the requests to one server."""
        self._model = model
        self._seen = seen
        self._take = take
        self._layouts = seen.layouts
        self.final = False  # the engine has said its last: the final response, or an error

    def push(self, messages: Sequence[bytes]) -> bool:
        """Whether whoever takes the responses has enough. UpstreamError where the engine says one, or where a message
        is none; what came before it was handed on then."""
        responses: list[Response] = []
        layouts = self._layouts
        for message in messages:
            layout = layouts.get(len(message))
            if layout is None or layout.same.unpack(message) != layout.constant:
                try:
                    layout = self._read(message)
                except UpstreamError as exc:
                    self.final = isinstance(exc, EngineFailed)
                    if responses and self._take(responses):
                        return True
                    raise
            self.final = layout.final
            responses.append(made(Response, (layout.outputs, layout.contents.unpack(message), layout.final)))
        return self._take(responses)

    def _read(self, message: bytes) -> _Layout:
        try:
            layout = _read(message, self._seen)
        except WireError as exc:
            raise UpstreamError(
                f"Triton sent a response for '{self._model}' that cannot be read: {exc}. Is the address that of "
                "Triton's gRPC port?"
            ) from exc
        self._seen.keep(len(message), layout)
        return layout


def _read(message: bytes, seen: Seen) -> _Layout:
    """The layout of a ModelStreamInferResponse. Parts of one that come apart are put together, as protobuf does."""
    error = ""
    outputs: list[Described] = []
    raw: list[tuple[int, int]] = []
    skipped: list[tuple[int, int]] = []  # the request's id, which the stream is known by
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
                elif inner == 3:
                    skipped.append((a, b))
    if error:
        raise engine_failed(error)
    if len(outputs) != len(raw):
        raise UpstreamError("Triton sent a response whose outputs are not in raw form.")
    edges = [0, *(edge for span in sorted(raw + skipped) for edge in span), len(message)]
    same = _struct(zip(edges[::2], edges[1::2], strict=True), len(message))
    return _Layout(same, same.unpack(message), tuple(outputs), _struct(raw, len(message)), final)


def _struct(spans: Iterable[tuple[int, int]], size: int) -> Struct:
    """Reads these spans of so many bytes, in their order."""
    written, at = "", 0
    for start, stop in spans:
        written += f"{start - at}x{stop - start}s"
        at = stop
    return Struct(f"={written}{size - at}x")


def _read_output(message: bytes) -> Described:
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
