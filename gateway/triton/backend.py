"""A served model's way to Triton: which Triton model answers for it, bound once, and the stream to it.

It knows routes and a transport. It must not know requests of clients, replies or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from gateway.core.errors import UpstreamError, UpstreamUnavailable
from gateway.core.routes import DIRECT, ROUTES, BindError, Bound, Route, bind, stop_tensors
from gateway.core.tensors import Tensor
from gateway.triton.transport import Response, Transport

logger = logging.getLogger("gateway.triton")


class Backend:
    """One Triton that serves one model, over the route that was set or, with ``auto``, the best that is there."""

    def __init__(self, transport: Transport, *, route: str, triton_models: Mapping[str, str]) -> None:
        """``triton_models``: the name of the Triton model for each route."""
        self.transport = transport
        self._routes = tuple(ROUTES.values()) if route == "auto" else (ROUTES[route],)
        self._names = triton_models
        self._bound: Bound | None = None
        self._binding = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def bound(self) -> Bound:
        """The binding, made on first use. UpstreamUnavailable while Triton is away, BindError where nothing fits."""
        if self._bound is None:
            async with self._binding:
                if self._bound is None:
                    self._bound = await self._bind()
        return self._bound

    async def ready(self) -> bool:
        """Whether a request would be taken now. Never raises."""
        try:
            bound = await self.bound()
        except UpstreamError:
            return False
        return await self.transport.ready(bound.model)

    async def stream(self, bound: Bound, request_id: str, tensors: Sequence[Tensor]) -> AsyncGenerator[Response, None]:
        """The engine's responses. Closing cancels. A Triton that went away may come back changed: it is bound anew."""
        started = ended = False
        try:
            async with aclosing(self.transport.stream(bound.model, request_id, tensors, bound.wanted)) as responses:
                async for response in responses:
                    started, ended = True, response.final
                    yield response
            ended = True
        except UpstreamUnavailable:
            self._bound = None
            raise
        except UpstreamError as exc:
            # Triton says "unknown model" in words only; whether it is there now is a fact.
            if not started and not await self.transport.ready(bound.model):
                self._bound = None
                raise UpstreamUnavailable(
                    "The model is not loaded in its server right now. Try again shortly."
                ) from exc
            raise
        finally:
            if not ended and not bound.route.cancels:
                self._background(self._stop(request_id))

    async def close(self) -> None:
        """Ends what still runs in the background, then the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.transport.close()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs on its own: the request that asks for it is being cancelled itself."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, request_id: str) -> None:
        """Tells the engine itself, where Triton would not: the steps of an ensemble have the request's id."""
        engine = self._names[DIRECT.name]
        try:
            signature = await self.transport.signature(engine)
            tensors = stop_tensors(signature) if signature is not None else ()
            if tensors:
                async with aclosing(self.transport.stream(engine, request_id, tensors, ())) as responses:
                    async for response in responses:
                        if response.final:
                            return
        except UpstreamError as exc:
            logger.warning("a cancelled request may still run in '%s': %s", engine, exc.message)

    async def _bind(self) -> Bound:
        refused: list[str] = []
        for route in self._routes:
            bound = await self._bind_route(route, refused)
            if bound is not None:
                logger.info("route %s on Triton model '%s'", route.name, bound.model)
                for remark in bound.remarks:
                    logger.warning("%s", remark)
                return bound
        raise BindError(" ".join(refused))

    async def _bind_route(self, route: Route, refused: list[str]) -> Bound | None:
        name = self._names[route.name]
        signature = await self.transport.signature(name)
        if signature is None:
            refused.append(f"Triton has no model '{name}' (route {route.name}).")
            return None
        try:
            return bind(route, signature)
        except BindError as exc:
            refused.append(exc.message)
            return None
