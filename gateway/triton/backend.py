"""A served model's way to Triton: which Triton model answers for it, bound once, and the stream to it.

It knows routes and a transport. It must not know requests of clients, replies or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from gateway.core.errors import UpstreamError, UpstreamUnavailable
from gateway.core.routes import DIRECT, LLMAPI, ROUTES, BindError, Bound, Route, bind, stop_tensors
from gateway.core.tensors import Tensor
from gateway.trace_context import outgoing
from gateway.triton.examined import Examined
from gateway.triton.probe import Asked
from gateway.triton.transport import Call, Take, Transport

logger = logging.getLogger("gateway.triton")


class Backend:
    """One Triton that serves one model, over the route that was set or, with ``auto``, the best that is there."""

    def __init__(
        self,
        transport: Transport,
        *,
        route: str,
        triton_models: Mapping[str, str],
        tokens_per_block: int | None = None,
    ) -> None:
        """``triton_models``: the name of the Triton model for each route. ``tokens_per_block`` of the engine's KV
        cache, where known."""
        self.transport = transport
        self._routes = tuple(ROUTES.values()) if route == "auto" else (ROUTES[route],)
        self._names = triton_models
        self._tokens_per_block = tokens_per_block
        self._bound: Bound | None = None
        self._binding = asyncio.Lock()
        self._stop: tuple[str, Sequence[Tensor]] | None = None

    @property
    def known(self) -> Bound | None:
        """The binding, where it was made already."""
        return self._bound

    @property
    def asked(self) -> Asked:
        return Examined(self.transport, self)

    async def close(self) -> None:
        await self.transport.close()

    async def bound(self) -> Bound:
        """The binding, made on first use. UpstreamUnavailable while Triton is away, BindError where nothing fits."""
        if self._bound is None:
            async with self._binding:
                if self._bound is None:
                    self._bound = await self._bind()
        return self._bound

    async def bound_anew(self) -> Bound:
        """The binding, made again: Triton, or the model in it, may have come back as another."""
        async with self._binding:
            self._bound = await self._bind()
        return self._bound

    async def ready(self) -> bool:
        """Whether a request would be taken now. Never raises."""
        try:
            bound = await self.bound()
        except UpstreamError:
            return False
        return await self.transport.ready(bound.model)

    async def feed(
        self,
        bound: Bound,
        request_id: str,
        tensors: Sequence[Tensor],
        wanted: Sequence[str],
        ends_itself: Callable[[], bool],
        take: Take,
        begun: Callable[[], bool],
    ) -> None:
        """Hands the engine's responses to ``take``, as ``Transport.feed`` does; ``begun``: whether it got one. A Triton
        that went away may come back changed: it is bound anew."""
        try:
            call = Call(bound.model, request_id, tensors, wanted, self._stop, ends_itself, outgoing.get())
            await self.transport.feed(call, take)
        except UpstreamUnavailable:
            self._bound = None
            raise
        except UpstreamError as exc:
            # Triton says "unknown model" in words only; whether it is there now is a fact.
            if not begun() and not await self.transport.ready(bound.model):
                self._bound = None
                raise UpstreamUnavailable(
                    "The model is not loaded in its server right now. Try again shortly."
                ) from exc
            raise

    async def _bind(self) -> Bound:
        refused: list[str] = []
        for route in self._routes:
            bound = await self._bind_route(route, refused)
            if bound is not None:
                self._stop = await self._stop_of(bound)
                self._tell(bound)
                return bound
        raise BindError(" ".join(refused))

    def _tell(self, bound: Bound) -> None:
        """What was bound, where it is not what was bound before."""
        before = self._bound
        if before is not None and (before.route, before.model, before.remarks) == (
            bound.route,
            bound.model,
            bound.remarks,
        ):
            return
        logger.info("route %s on Triton model '%s'", bound.route.name, bound.model)
        for remark in bound.remarks:
            logger.warning("%s", remark)

    async def _stop_of(self, bound: Bound) -> tuple[str, Sequence[Tensor]] | None:
        """What ends a request in the engine itself, where its id gets there."""
        if not bound.passes_id:
            return None
        engine = bound.model if bound.route is LLMAPI else self._names[DIRECT.name]
        signature = await self.transport.signature(engine)
        tensors = stop_tensors(signature) if signature is not None else ()
        return (engine, tensors) if tensors else None

    async def _bind_route(self, route: Route, refused: list[str]) -> Bound | None:
        name = self._names[route.name]
        signature = await self.transport.signature(name)
        if signature is None:
            refused.append(f"Triton has no model '{name}' (route {route.name}).")
            return None
        try:
            return bind(route, signature, tokens_per_block=self._tokens_per_block)
        except BindError as exc:
            refused.append(exc.message)
            return None
