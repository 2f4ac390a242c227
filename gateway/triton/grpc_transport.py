"""The transport over grpc.aio with tritonclient's protobuf messages and stubs.

One ModelStreamInfer call per request: a stream of its own is what Triton can cancel alone. tritonclient's own
``stream_infer`` is not used: leaving its iterator does not cancel, and it wraps each response in three objects.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import Any

import grpc
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from gateway.core.errors import GatewayError, UpstreamError, UpstreamUnavailable
from gateway.core.tensors import Described, ModelSignature, Response, TensorSpec
from gateway.core.tls import ClientTls
from gateway.triton.ending import Endings
from gateway.triton.errors import grpc_errors
from gateway.triton.grpc_credentials import credentials
from gateway.triton.status import engine_failed
from gateway.triton.transport import Call, Take

# Prompts and log-probabilities can be long; the 4 MiB default of gRPC is not meant for tensors.
_MAX_MESSAGE = 64 * 1024 * 1024
_OPTIONS = [
    ("grpc.max_send_message_length", _MAX_MESSAGE),
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A Triton that comes back is found within a second, not after gRPC's two-minute back-off.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class GrpcTransport:
    """One channel to one Triton, shared by all requests."""

    def __init__(self, endpoint: str, *, control_timeout: float = 5.0, tls: ClientTls | None = None) -> None:
        """``endpoint``: host:port of Triton's gRPC. ``control_timeout``: seconds for calls that carry no generation.
        SettingsError where the files of ``tls`` cannot work."""
        self.endpoint = endpoint
        self._timeout = control_timeout
        self._channel = _channel(endpoint, tls)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._endings = Endings()

    async def feed(self, call: Call, take: Take) -> None:
        rpc = self._begin(call)
        final = enough = False
        try:
            with grpc_errors(call.model):
                while (message := await asyncio.shield(rpc.reading)) is not grpc.aio.EOF:
                    if message.error_message:
                        final = True
                        raise engine_failed(message.error_message)
                    response = _response(message.infer_response)
                    final = response.final
                    rpc.read()
                    if take((response,)):
                        enough = True
                        return
                final = True
        finally:
            if final or call.ends_itself():
                self._endings.finished(rpc)
            else:
                self._endings.left(rpc, self._stop(call), enough=enough)

    def _begin(self, call: Call) -> _Rpc:
        return _Rpc(self._stub.ModelStreamInfer(_once(_request(call)), metadata=tuple(call.headers)))

    def _stop(self, call: Call) -> Callable[[], Awaitable[None]] | None:
        if call.stop is None:
            return None
        model, tensors = call.stop
        return lambda: self._begin(Call(model, call.id, tensors)).drained()

    async def signature(self, model: str) -> ModelSignature | None:
        with grpc_errors(model):
            try:
                reply = await self._stub.ModelConfig(service_pb2.ModelConfigRequest(name=model), timeout=self._timeout)
            except grpc.RpcError as exc:
                if exc.code() is grpc.StatusCode.NOT_FOUND:
                    return None
                raise
        return _signature(reply.config)

    async def ready(self, model: str) -> bool:
        try:
            with grpc_errors(model):
                reply = await self._stub.ModelReady(service_pb2.ModelReadyRequest(name=model), timeout=self._timeout)
        except GatewayError:
            return False
        return bool(reply.ready)

    async def live(self) -> None:
        with grpc_errors(self.endpoint):
            reply = await self._stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=self._timeout)
        if not reply.live:
            raise UpstreamUnavailable(f"Triton at {self.endpoint} answers that it is not live.")

    async def version(self) -> str:
        with grpc_errors(self.endpoint):
            reply = await self._stub.ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=self._timeout)
        return str(reply.version)

    async def close(self) -> None:
        await self._endings.over()
        await self._channel.close()


class _Rpc:
    """One call. Its reads are tasks, because grpc.aio cancels the call of a read that is cancelled."""

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc
        self.read()

    def read(self) -> None:
        """Begins to read the next message."""
        self.reading: asyncio.Future[Any] = asyncio.ensure_future(self._rpc.read())

    async def drained(self) -> None:
        with contextlib.suppress(grpc.RpcError):
            while await self.reading is not grpc.aio.EOF:
                self.read()

    async def cancel(self) -> None:
        self._rpc.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)


def _channel(endpoint: str, tls: ClientTls | None) -> Any:
    if tls is None:
        return grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
    name = [] if tls.server_name is None else [("grpc.ssl_target_name_override", tls.server_name)]
    return grpc.aio.secure_channel(endpoint, credentials(tls), options=[*_OPTIONS, *name])


async def _once(request: Any) -> AsyncIterator[Any]:
    yield request


def _request(call: Call) -> Any:
    request = service_pb2.ModelInferRequest(model_name=call.model, id=call.id)
    # Some models end their stream with a response that has the final flag and nothing else: BLS always does.
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    for tensor in call.tensors:
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        request.raw_input_contents.append(tensor.data)
    for name in call.outputs:
        request.outputs.add(name=name)
    return request


def _response(message: Any) -> Response:
    if len(message.outputs) != len(message.raw_output_contents):
        raise UpstreamError("Triton sent a response whose outputs are not in raw form.")
    described = _same(tuple((output.name, output.datatype, tuple(output.shape)) for output in message.outputs))
    contents = tuple(message.raw_output_contents)
    return Response(described, contents, message.parameters["triton_final_response"].bool_param)


@lru_cache(maxsize=1024)
def _same(described: tuple[Described, ...]) -> tuple[Described, ...]:
    """The same object for outputs of the same kind, by which readers know that they have seen it."""
    return described


def _signature(config: Any) -> ModelSignature:
    return ModelSignature(
        name=config.name,
        inputs=tuple(_spec(item, item.optional) for item in config.input),
        outputs=tuple(_spec(item, False) for item in config.output),
        decoupled=config.model_transaction_policy.decoupled,
        max_batch_size=config.max_batch_size,
        parameters=tuple((key, value.string_value) for key, value in sorted(config.parameters.items())),
    )


def _spec(item: Any, optional: bool) -> TensorSpec:
    name = model_config_pb2.DataType.Name(item.data_type).removeprefix("TYPE_")
    return TensorSpec(item.name, "BYTES" if name == "STRING" else name, tuple(item.dims), optional)
