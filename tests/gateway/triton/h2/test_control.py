"""The answers about servers and models, read by hand: the protobuf library is the judge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2, service_pb2

from gateway.triton.grpc_transport import _signature as library_signature
from gateway.triton.h2.control import decode_config, decode_flag, decode_version, encode_name
from gateway.triton.h2.protobuf import WireError

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
DIMS = st.lists(st.integers(-1, 2**40), max_size=3)
TYPES = st.integers(0, 14)
INPUTS = st.builds(
    model_config_pb2.ModelInput,
    name=WORDS,
    data_type=TYPES,
    dims=DIMS,
    optional=st.booleans(),
    is_shape_tensor=st.booleans(),
)
OUTPUTS = st.builds(
    model_config_pb2.ModelOutput,
    name=WORDS,
    data_type=TYPES,
    dims=DIMS,
    label_filename=WORDS,
    is_shape_tensor=st.booleans(),
)
CONFIGS = st.builds(
    model_config_pb2.ModelConfig,
    name=WORDS,
    platform=WORDS,
    backend=WORDS,
    max_batch_size=st.integers(-1, 2**31 - 1),
    input=st.lists(INPUTS, max_size=4),
    output=st.lists(OUTPUTS, max_size=4),
    parameters=st.dictionaries(WORDS, WORDS.map(lambda text: model_config_pb2.ModelParameter(string_value=text))),
    model_transaction_policy=st.one_of(
        st.none(), st.builds(model_config_pb2.ModelTransactionPolicy, decoupled=st.booleans())
    ),
)


@given(CONFIGS)
def test_a_configuration_is_read_as_the_library_reads_it(config: Any) -> None:
    data = service_pb2.ModelConfigResponse(config=config).SerializeToString()
    assert decode_config(data) == library_signature(config)


def test_a_datatype_that_is_not_known_yet_has_its_number() -> None:
    assert decode_config(b"\x0a\x04\x2a\x02\x10\x63").inputs[0].datatype == "TYPE_99"


@pytest.mark.parametrize("flag", [True, False])
def test_flags(flag: bool) -> None:
    assert decode_flag(service_pb2.ModelReadyResponse(ready=flag).SerializeToString()) is flag
    assert decode_flag(service_pb2.ServerLiveResponse(live=flag).SerializeToString()) is flag


def test_a_version() -> None:
    metadata = service_pb2.ServerMetadataResponse(name="triton", version="2.51.0", extensions=["a", "b"])
    assert decode_version(metadata.SerializeToString()) == "2.51.0"


def test_names() -> None:
    assert service_pb2.ModelConfigRequest.FromString(encode_name("m")).name == "m"
    assert service_pb2.ModelReadyRequest.FromString(encode_name("模型")).name == "模型"
    assert encode_name("") == b""


@given(st.binary(max_size=40))
def test_bytes_that_are_no_message(data: bytes) -> None:
    for decode in (decode_config, decode_flag, decode_version):
        try:
            decode(data)  # type: ignore[operator]
        except WireError:
            continue
