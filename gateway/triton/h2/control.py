"""The calls beside generation: is the server there, is a model ready, what does it declare. Names → bytes, bytes →
values.

It knows the few fields that the gateway needs of Triton's answers (grpc_service.proto, model_config.proto). It must not
know how they travel.
"""

from __future__ import annotations

from gateway.core.tensors import ModelSignature, TensorSpec
from gateway.triton.h2.protobuf import LENGTH, VARINT, fields, numbers, signed, text, write_text

_SERVICE = "/inference.GRPCInferenceService/"
CONFIG = _SERVICE + "ModelConfig"
READY = _SERVICE + "ModelReady"
LIVE = _SERVICE + "ServerLive"
METADATA = _SERVICE + "ServerMetadata"

# DataType of model_config.proto, in its order; a string is called BYTES where tensors are sent.
_DATATYPES = (
    "INVALID BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES BF16".split()  # noqa: SIM905
)


def encode_name(model: str) -> bytes:
    """The request about a model: of its configuration and of its readiness alike."""
    return write_text(1, model)


def decode_flag(message: bytes) -> bool:
    """``ready`` of a model, ``live`` of the server."""
    flag = False
    for number, wire, value, _ in fields(message):
        if number == 1 and wire == VARINT:
            flag = value != 0
    return flag


def decode_version(message: bytes) -> str:
    """The server's own version."""
    version = ""
    for number, wire, start, stop in fields(message):
        if number == 2 and wire == LENGTH:
            version = text(message, start, stop)
    return version


def decode_config(message: bytes) -> ModelSignature:
    """What a route binds to, of a ModelConfigResponse."""
    name, decoupled, batch = "", False, 0
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    parameters: dict[str, str] = {}
    for outer, wire, start, stop in fields(message):
        if outer != 1 or wire != LENGTH:
            continue
        for number, wire, a, b in fields(message, start, stop):
            if number == 4 and wire == VARINT:
                batch = signed(a, 32)
            if wire != LENGTH:
                continue
            if number == 1:
                name = text(message, a, b)
            elif number == 5:
                inputs.append(_spec(message, a, b, dims=4, optional=8))
            elif number == 6:
                outputs.append(_spec(message, a, b, dims=3, optional=0))
            elif number == 14:
                key, value = _parameter(message, a, b)
                parameters[key] = value
            elif number == 19:
                for inner, kind, flag, _ in fields(message, a, b):
                    if inner == 1 and kind == VARINT:
                        decoupled = flag != 0
    return ModelSignature(name, tuple(inputs), tuple(outputs), decoupled, batch, tuple(sorted(parameters.items())))


def _spec(message: bytes, start: int, stop: int, *, dims: int, optional: int) -> TensorSpec:
    """``dims`` and ``optional``: the numbers of their fields, which inputs and outputs have in other places."""
    name, datatype, may_miss = "", 0, False
    shape: list[int] = []
    for number, wire, a, b in fields(message, start, stop):
        if number == 1 and wire == LENGTH:
            name = text(message, a, b)
        elif number == 2 and wire == VARINT:
            datatype = a
        elif number == dims:
            shape += numbers(message, wire, a, b)
        elif number == optional and wire == VARINT:
            may_miss = a != 0
    known = _DATATYPES[datatype] if datatype < len(_DATATYPES) else f"TYPE_{datatype}"
    return TensorSpec(name, known, tuple(shape), may_miss)


def _parameter(message: bytes, start: int, stop: int) -> tuple[str, str]:
    key = value = ""
    for number, wire, a, b in fields(message, start, stop):
        if number == 1 and wire == LENGTH:
            key = text(message, a, b)
        elif number == 2 and wire == LENGTH:
            for inner, kind, first, last in fields(message, a, b):
                if inner == 1 and kind == LENGTH:
                    value = text(message, first, last)
    return key, value
