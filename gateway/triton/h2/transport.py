"""The transport over our own HTTP/2: many requests on few connections, their responses read without protobuf objects.

Each request is a call of its own, which Triton can end alone. Responses that arrive in one turn of the event loop are
handed over together. It does all that a ``Transport`` does; grpcio and tritonclient are not needed for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from gateway.core.errors import GatewayError, UpstreamError, UpstreamUnavailable
from gateway.core.tensors import ModelSignature
from gateway.core.tls import ClientTls
from gateway.triton.ending import Endings
from gateway.triton.h2 import control
from gateway.triton.h2.call import H2Call
from gateway.triton.h2.grpc_messages import End
from gateway.triton.h2.infer import PATH, Reader, Seen, encode
from gateway.triton.h2.keepalive import TICK_SECONDS
from gateway.triton.h2.limits import Limits
from gateway.triton.h2.links import MOST_LINKS, CallFailed, Links
from gateway.triton.h2.protobuf import WireError
from gateway.triton.status import Status, refused
from gateway.triton.tls import context
from gateway.triton.transport import Call, Take


class H2Transport:
    """The connections to one Triton, shared by all requests."""

    def __init__(
        self,
        endpoint: str,
        *,
        control_timeout: float = 5.0,
        connect_timeout: float = 5.0,
        tls: ClientTls | None = None,
        limits: Limits | None = None,
        most_connections: int = MOST_LINKS,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        """``endpoint``: host:port of Triton's gRPC. ``control_timeout``: seconds for calls that carry no generation.
        ``connect_timeout``: seconds for a connection that takes a request to be there. SettingsError where the files of
        ``tls`` cannot work."""
        self.endpoint = endpoint
        self._timeout = control_timeout
        self._links = Links(
            endpoint,
            connect_seconds=connect_timeout,
            tls=None if tls is None else context(tls),
            server_name=None if tls is None else tls.server_name,
            limits=limits,
            most=most_connections,
            tick_seconds=tick_seconds,
        )
        self._endings = Endings()
        self._seen = Seen()

    async def feed(self, call: Call, take: Take) -> None:
        rpc = H2Call(self._links, PATH, encode(call), headers=call.headers)
        reader = Reader(call.model, self._seen, take)
        enough = False
        try:
            await rpc.feed(reader.push)
            enough = True
        except CallFailed as exc:
            raise refused(call.model, exc.end.status, exc.end.details) from exc
        finally:
            if not rpc.over:
                if reader.final or call.ends_itself():
                    self._endings.finished(rpc)
                else:
                    self._endings.left(rpc, self._stop(call), enough=enough)

    def _stop(self, call: Call) -> Callable[[], Awaitable[None]] | None:
        if call.stop is None:
            return None
        model, tensors = call.stop
        rpc = H2Call(self._links, PATH, encode(Call(model, call.id, tensors)))

        async def stopped() -> None:
            with suppress(CallFailed):
                await rpc.feed(lambda _: False)

        return stopped

    async def signature(self, model: str) -> ModelSignature | None:
        with _errors(model):
            try:
                return control.decode_config(await self._ask(control.CONFIG, control.encode_name(model)))
            except CallFailed as exc:
                if exc.end.status is Status.NOT_FOUND:
                    return None
                raise

    async def ready(self, model: str) -> bool:
        try:
            with _errors(model):
                return control.decode_flag(await self._ask(control.READY, control.encode_name(model)))
        except GatewayError:
            return False

    async def live(self) -> None:
        with _errors(self.endpoint):
            live = control.decode_flag(await self._ask(control.LIVE, b""))
        if not live:
            raise UpstreamUnavailable(f"Triton at {self.endpoint} answers that it is not live.")

    async def version(self) -> str:
        with _errors(self.endpoint):
            return control.decode_version(await self._ask(control.METADATA, b""))

    async def close(self) -> None:
        await self._endings.over()
        await self._links.close()

    async def _ask(self, path: str, message: bytes) -> bytes:
        rpc = H2Call(self._links, path, message, self._timeout)

        try:
            return await asyncio.wait_for(rpc.one(), self._timeout)
        except asyncio.TimeoutError as exc:
            raise CallFailed(End(Status.DEADLINE_EXCEEDED, "no answer in time")) from exc
        finally:
            await rpc.cancel()


@contextmanager
def _errors(model: str) -> Iterator[None]:
    try:
        yield
    except CallFailed as exc:
        raise refused(model, exc.end.status, exc.end.details) from exc
    except WireError as exc:
        raise UpstreamError(f"Triton's answer about '{model}' cannot be read: {exc}. Is this its gRPC port?") from exc
