"""A gRPC server of grpcio that speaks Triton's service: what each model does is a row, and what happened is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

FINAL = "triton_final_response"
WAIT_SECONDS = 10.0


def response(number: int, *, final: bool = False, size: int = 4) -> Any:
    """A response with one tensor that says its number."""
    inner = service_pb2.ModelInferResponse(id="r")
    inner.parameters[FINAL].bool_param = final
    inner.outputs.add(name="number", datatype="INT32", shape=[1, size // 4])
    inner.raw_output_contents.append(number.to_bytes(4, "little") * (size // 4))
    return service_pb2.ModelStreamInferResponse(infer_response=inner)


@dataclass
class Happened:
    """What the server saw, by the id of the request."""

    requests: list[Any] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)


class Triton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The model's name says what it does: see ``ModelStreamInfer``."""

    def __init__(self) -> None:
        self.happened = Happened()
        self.peers: set[str] = set()  # the clients' ends of connections
        self.stopped: dict[str, asyncio.Event] = {}
        self.gate = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)  # a permit for each request
        self.changed = asyncio.Event()

    async def ModelStreamInfer(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            self.happened.requests.append(request)
            self.arrived.release()
            self.peers.add(context.peer())
            if request.model_name == "stop":
                self.stopped[request.id].set()
                yield response(0, final=True)
                return
            self.stopped.setdefault(request.id, asyncio.Event())
            context.add_done_callback(lambda _, id=request.id: self._over(id))
            async for message in self._play(request, context):
                self.happened.sent[request.id] = self.happened.sent.get(request.id, 0) + 1
                yield message
            self.happened.ended.append(request.id)

    def _over(self, id: str) -> None:
        """A cancel reaches the method above wherever it is, and sometimes nowhere: the call itself knows."""
        if id not in self.happened.ended:
            self.happened.cancelled.append(id)
        self.changed.set()

    async def _play(self, request: Any, context: Any) -> AsyncIterator[Any]:
        what, _, rest = request.model_name.partition("-")
        if what == "count":  # so many responses, the last one final
            for number in range(int(rest)):
                yield response(number, final=number == int(rest) - 1)
        elif what == "large":  # so many bytes
            yield response(7, final=True, size=int(rest))
        elif what == "size":  # of the request
            yield response(len(request.raw_input_contents[0]), final=True)
        elif what == "endless":
            number = 0
            while not self.stopped[request.id].is_set():
                yield response(number)
                number += 1
                await asyncio.sleep(0)
            yield response(number, final=True)
        elif what == "hang":  # after so many, until it is stopped
            for number in range(int(rest)):
                yield response(number)
            await self.stopped[request.id].wait()
            yield response(int(rest), final=True)
        elif what == "deaf":  # hangs, whoever asks it to stop
            yield response(0)
            await self.gate.wait()
        elif what == "fail":  # the engine's error, after so many
            for number in range(int(rest)):
                yield response(number)
            yield service_pb2.ModelStreamInferResponse(error_message="engine says 不\nat file.cc:12")
        elif what == "abort":
            yield response(0)
            await context.abort(grpc.StatusCode[rest], "because 你 100%")
        elif what == "refuse":
            await context.abort(grpc.StatusCode[rest], "because 你 100%")
        elif what == "flat":  # contents that are not raw
            bad = response(0)
            del bad.infer_response.raw_output_contents[:]
            yield bad
            await self.stopped[request.id].wait()
        elif what == "lingering":  # goes on after its last response
            yield response(0, final=True)
            await self.gate.wait()
        elif what == "short":  # ends without a final flag
            yield response(0)
        else:
            raise AssertionError(request.model_name)

    async def ModelConfig(self, request: Any, context: Any) -> Any:
        if request.name == "none":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        if request.name == "silent":
            await self.gate.wait()
        if request.name == "away":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "loading")
        config = model_config_pb2.ModelConfig(name=request.name, max_batch_size=8)
        config.input.add(name="a", data_type=model_config_pb2.TYPE_STRING, dims=[-1], optional=True)
        config.output.add(name="b", data_type=model_config_pb2.TYPE_INT32, dims=[2, -1])
        config.model_transaction_policy.decoupled = True
        config.parameters["k"].string_value = "v"
        return service_pb2.ModelConfigResponse(config=config)

    async def ModelReady(self, request: Any, context: Any) -> Any:
        if request.name == "silent":
            await self.gate.wait()
        return service_pb2.ModelReadyResponse(ready=request.name == "m")

    async def ServerLive(self, request: Any, context: Any) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerMetadata(self, request: Any, context: Any) -> Any:
        return service_pb2.ServerMetadataResponse(name="triton", version="2.51.0")

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a request's end to have brought that about."""
        while not condition():
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), WAIT_SECONDS)


@dataclass
class Serving:
    """A server, and where it is."""

    triton: Triton
    address: str
    server: Any


@contextlib.asynccontextmanager
async def serving(
    address: str = "127.0.0.1:0", *, options: tuple[tuple[str, int], ...] = (), credentials: Any = None
) -> AsyncIterator[Serving]:
    triton = Triton()
    limits = (("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0))
    server = grpc.aio.server(options=[*limits, *options])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    secured = credentials is not None
    port = server.add_secure_port(address, credentials) if secured else server.add_insecure_port(address)
    await server.start()
    try:
        yield Serving(triton, f"127.0.0.1:{port}", server)
    finally:
        triton.gate.set()
        await server.stop(None)
