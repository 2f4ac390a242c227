"""Messages of ModelStreamInfer, read and written by hand: the protobuf library is the judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from gateway.core.errors import UpstreamError
from gateway.core.tensors import Response, Tensor
from gateway.triton.grpc_transport import _request as library_request
from gateway.triton.grpc_transport import _response as library_response
from gateway.triton.h2.infer import LARGEST_SEEN, MOST_SEEN, Reader, Seen, encode
from gateway.triton.transport import Call

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
INT64 = st.integers(-(2**63), 2**63 - 1)
FINAL = "triton_final_response"

PARAMETERS = st.dictionaries(
    st.one_of(st.just(FINAL), WORDS),
    st.one_of(
        st.fixed_dictionaries({"bool_param": st.booleans()}),
        st.fixed_dictionaries({"int64_param": INT64}),
        st.fixed_dictionaries({"string_param": WORDS}),
        st.fixed_dictionaries({"double_param": st.floats(allow_nan=False)}),
        st.fixed_dictionaries({"uint64_param": st.integers(0, 2**64 - 1)}),
        st.just({}),
    ).map(lambda fields: service_pb2.InferParameter(**fields)),
    max_size=3,
)
OUTPUTS = st.builds(
    service_pb2.ModelInferResponse.InferOutputTensor,
    name=WORDS,
    datatype=st.sampled_from(["INT32", "FP32", "BYTES", ""]),
    shape=st.lists(INT64, max_size=4),
    parameters=PARAMETERS,
    contents=st.one_of(
        st.none(), st.builds(service_pb2.InferTensorContents, int_contents=st.lists(st.integers(-9, 9), max_size=3))
    ),
)
RESPONSES = st.builds(
    service_pb2.ModelInferResponse,
    model_name=WORDS,
    model_version=WORDS,
    id=WORDS,
    parameters=PARAMETERS,
    outputs=st.lists(OUTPUTS, max_size=3),
    raw_output_contents=st.lists(st.binary(max_size=200), max_size=3),
)
MESSAGES = st.builds(
    service_pb2.ModelStreamInferResponse,
    error_message=st.one_of(st.just(""), WORDS),
    infer_response=st.one_of(st.none(), RESPONSES),
)


class Reading:
    """A reader with what it hands on."""

    def __init__(self, seen: Seen) -> None:
        self.taken: list[Response] = []
        self.reader = Reader("m", seen, self._take)

    def _take(self, responses: Sequence[Response]) -> bool:
        self.taken += responses
        return False

    def one(self, message: bytes) -> Response:
        self.taken = []
        assert self.reader.push([message]) is False
        (response,) = self.taken
        assert self.reader.final is response.final
        return response


def read(message: bytes) -> Response | str | None:
    """The response, what the engine's error says, or None where the message is refused for its form."""
    try:
        return Reading(Seen()).one(message)
    except UpstreamError as exc:
        return exc.message if "cannot be read" not in exc.message else None


def library(message: bytes) -> Response | str | None:
    try:
        parsed: Any = service_pb2.ModelStreamInferResponse.FromString(message)
    except DecodeError:
        return None
    if parsed.error_message:
        lines = parsed.error_message.strip().splitlines()
        return f"The engine failed the request: {lines[0] if lines else 'no reason given'}"
    try:
        return library_response(parsed.infer_response)
    except UpstreamError as exc:
        return exc.message


@given(MESSAGES)
def test_every_message_is_read_as_the_library_reads_it(message: Any) -> None:
    data = message.SerializeToString()
    assert read(data) == library(data)


@given(MESSAGES, MESSAGES)
def test_parts_are_put_together_as_the_library_does(one: Any, other: Any) -> None:
    data = one.SerializeToString() + other.SerializeToString()
    assert read(data) == library(data)


# What a newer Triton could add: each wire type under numbers that nobody knows, a group within a group among them.
UNKNOWN = b"\xf8\x01\x96\x01" + b"\xf9\x01" + bytes(8) + b"\xfa\x01\x03abc" + b"\xfd\x01" + bytes(4)
UNKNOWN += b"\xfb\x01\x08\x01\xfb\x01\x0a\x01x\xfc\x01\xfc\x01"


@given(RESPONSES, st.sampled_from([b"", UNKNOWN]))
def test_unknown_fields_are_skipped(response: Any, after: bytes) -> None:
    inner = UNKNOWN + response.SerializeToString() + after
    data = UNKNOWN + b"\x12" + varint(len(inner)) + inner + after
    assert library(data) is not None
    assert read(data) == library(data)


def varint(value: int) -> bytes:
    return bytes((value,)) if value < 128 else bytes((value & 127 | 128,)) + varint(value >> 7)


def test_a_shape_that_is_not_packed() -> None:
    output = b"\x0a\x01a\x18\x05\x18" + varint(2**64 - 1) + b"\x1a\x02\x07\x08"
    inner = b"\x2a" + varint(len(output)) + output + b"\x32\x02xy"
    data = b"\x12" + varint(len(inner)) + inner
    assert read(data) == library(data) == Response.of([Tensor("a", "", (5, -1, 7, 8), b"xy")], False)


@given(st.one_of(st.binary(max_size=60), MESSAGES.map(lambda m: m.SerializeToString())), st.data())
def test_what_the_library_reads_of_broken_bytes_we_read_too(data: bytes, draw: st.DataObject) -> None:
    if data:
        at = draw.draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw.draw(st.binary(max_size=3)) + data[at + draw.draw(st.integers(0, 3)) :]
    ours, theirs = read(data), library(data)
    # We do not look into what we do not need, so we take some messages that the library refuses.
    assert theirs is None or ours == theirs


@given(RESPONSES)
def test_a_message_that_is_cut_off_is_refused(response: Any) -> None:
    data = service_pb2.ModelStreamInferResponse(infer_response=response).SerializeToString()
    for end in range(1, len(data)):
        assert read(data[:end]) is None


@given(RESPONSES, st.data())
def test_a_message_like_the_last_one_is_read_no_other_way(response: Any, draw: st.DataObject) -> None:
    seen = Seen()
    readings = [Reading(seen), Reading(seen)]  # of two requests
    count = len(response.outputs)
    for _ in range(5):
        number = draw.draw(st.integers(0, 1))
        changed = service_pb2.ModelInferResponse()
        changed.CopyFrom(response)
        changed.id = f"{response.id}{number}"
        changed.raw_output_contents[:] = draw.draw(
            st.lists(st.binary(min_size=4, max_size=5), min_size=count, max_size=count)
        )
        if draw.draw(st.booleans()):
            changed.parameters[FINAL].bool_param = draw.draw(st.booleans())
        data = service_pb2.ModelStreamInferResponse(infer_response=changed).SerializeToString()
        assert readings[number].one(data) == library(data)


def test_a_layout_is_kept_for_all_requests() -> None:
    seen = Seen()
    for id, number, final in [("a", 1, False), ("b", 2, False), ("a", 3, True), ("b", 4, False), ("b", 5, True)]:
        response = service_pb2.ModelInferResponse(id=id, raw_output_contents=[bytes((number,))])
        response.outputs.add(name="x", datatype="INT8", shape=[1])
        response.parameters[FINAL].bool_param = final
        data = service_pb2.ModelStreamInferResponse(infer_response=response).SerializeToString()
        kept = seen.layouts.get(len(data))
        assert Reading(seen).one(data) == Response.of([Tensor("x", "INT8", (1,), bytes((number,)))], final)
        assert kept is None or seen.layouts[len(data)] is kept
    assert len(seen.layouts) == 1


@given(
    st.lists(st.sampled_from([b"\x0a\x01a\x12\x01x", b"\x0a\x01b\x12\x01y", b"\x0a\x01a\x12\x01x\x18\x01"]), max_size=4)
)
def test_the_layout_is_that_of_the_message(outputs: list[bytes]) -> None:
    reading = Reading(Seen())
    for names in (outputs, outputs[::-1], outputs):
        inner = b"".join(b"\x2a" + varint(len(name)) + name for name in names) + b"\x32\x01z" * len(names)
        data = b"\x12" + varint(len(inner)) + inner
        assert reading.one(data) == library(data)


def test_what_is_remembered_is_bounded_and_right() -> None:
    seen = Seen()
    for number in [*range(MOST_SEEN + 10), *range(20)]:
        inner = service_pb2.ModelInferResponse(raw_output_contents=[b"x"])
        inner.outputs.add(name=f"n{number}" * (1 if number % 7 else 500), datatype="INT32", shape=[number])
        inner.parameters["k" * number].string_param = "v"
        inner.parameters[FINAL].bool_param = number % 2 == 0
        data = service_pb2.ModelStreamInferResponse(infer_response=inner).SerializeToString()
        assert Reading(seen).one(data) == library(data)
    assert all(len(kept) <= MOST_SEEN for kept in (seen._outputs, seen._parameters, seen.layouts))
    assert max(map(len, (*seen._outputs, *seen._parameters))) <= LARGEST_SEEN


def test_a_reader_goes_on_after_an_error() -> None:
    reading = Reading(Seen())
    good = service_pb2.ModelStreamInferResponse(infer_response=service_pb2.ModelInferResponse(id="x"))
    for _ in range(2):
        assert reading.one(good.SerializeToString()) == Response((), (), False)
        with pytest.raises(UpstreamError, match="The engine failed the request: no"):
            reading.one(service_pb2.ModelStreamInferResponse(error_message="no\n at x.cc").SerializeToString())


TENSORS = st.builds(
    Tensor, WORDS, st.sampled_from(["INT32", "BYTES"]), st.lists(INT64, max_size=3).map(tuple), st.binary(max_size=300)
)


@given(st.builds(Call, WORDS, WORDS, st.lists(TENSORS, max_size=4), st.lists(WORDS, max_size=3)))
def test_a_request_is_what_the_library_writes(call: Call) -> None:
    assert service_pb2.ModelInferRequest.FromString(encode(call)) == library_request(call)
