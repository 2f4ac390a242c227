"""Prepared answers, read by grpcio: another's HTTP/2 and another's protobuf."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loadtest.bench.replay import Pace, phase, responses
from loadtest.bench.stand_in import Answers, Settings, StandIn, wanted


@pytest.fixture
async def settings() -> Settings:
    return Settings(Pace(0))


@pytest.fixture
async def stub(settings: Settings) -> AsyncIterator[service_pb2_grpc.GRPCInferenceServiceStub]:
    loop, ends = asyncio.get_running_loop(), []

    class Watched(StandIn):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.end = loop.create_future()
            ends.append(self.end)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self.end.set_result(None)

    server = await loop.create_server(lambda: Watched(settings), "127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.sockets[0].getsockname()[1]}") as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)
    await asyncio.gather(*ends)
    server.close()
    await server.wait_closed()


def asking(tokens: int) -> service_pb2.ModelInferRequest:
    request = service_pb2.ModelInferRequest(model_name="tensorrt_llm")
    for name, values in {"input_ids": [1, 2, 3], "request_output_len": [tokens]}.items():
        request.inputs.add(name=name, datatype="INT32", shape=[1, len(values)])
        request.raw_input_contents.append(b"".join(value.to_bytes(4, "little") for value in values))
    return request


async def ids(stub: service_pb2_grpc.GRPCInferenceServiceStub, tokens: int) -> list[int]:
    found = []
    async for reply in stub.ModelStreamInfer(iter([asking(tokens)])):
        contents = reply.infer_response.raw_output_contents
        found += [int.from_bytes(contents[0][n : n + 4], "little") for n in range(0, len(contents[0]), 4)]
        assert int.from_bytes(contents[1], "little") * 4 == len(contents[0])
    assert reply.infer_response.parameters["triton_final_response"].bool_param
    return found


@pytest.mark.parametrize("pace", [Pace(0), Pace(0.002), Pace(0.002, steps=True)], ids=["at-once", "paced", "in-steps"])
async def test_as_many_tokens_as_are_asked_for(
    stub: service_pb2_grpc.GRPCInferenceServiceStub, settings: Settings, pace: Pace
) -> None:
    settings.pace = pace
    found = await asyncio.gather(*(ids(stub, tokens) for tokens in (1, 7, 40)))
    assert [len(each) for each in found] == [1, 7, 40]
    assert found[2][:7] == found[1]


async def test_windows_are_kept(stub: service_pb2_grpc.GRPCInferenceServiceStub) -> None:
    # Far more than any window of grpcio: it would end the connection if they were overrun.
    found = await asyncio.gather(*(ids(stub, 5000) for _ in range(4)))
    assert [len(each) for each in found] == [5000] * 4


async def test_what_gateways_ask_first(stub: service_pb2_grpc.GRPCInferenceServiceStub) -> None:
    assert (await stub.ServerReady(service_pb2.ServerReadyRequest())).ready
    config = (await stub.ModelConfig(service_pb2.ModelConfigRequest(name="tensorrt_llm"))).config
    assert config.model_transaction_policy.decoupled


def test_how_much_is_asked_for() -> None:
    message = asking(321).SerializeToString()
    assert wanted(b"\0" + len(message).to_bytes(4, "big") + message) == 321


def test_answers_go_round() -> None:
    answers = Answers()
    long = answers.of(500)
    assert len(long) == 501
    assert long[:10] == answers.of(10)[:10]
    assert answers.of(500) is long


def test_phases_are_spread_evenly() -> None:
    taken = sorted(phase() for _ in range(64))
    assert max(b - a for a, b in itertools.pairwise([0.0, *taken, 1.0])) < 3 / 64


def test_the_last_response_is_empty_and_final() -> None:
    *_, (_, last, size) = responses([5, 6])
    reply = service_pb2.ModelStreamInferResponse.FromString(last[5:])
    assert size == len(last)
    assert reply.infer_response.raw_output_contents[0] == b""
