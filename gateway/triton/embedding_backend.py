"""An embedding model's way to Triton: which of its tensors are used, bound once, and one batch there and back.

It knows embedding routes and a transport. It must not know requests of clients, replies or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from gateway.core.embedding_route import BoundEmbedding, EmbeddingRoute, bind
from gateway.core.errors import UpstreamError, UpstreamUnavailable
from gateway.core.routes import BindError
from gateway.core.tensors import Response, Tensor
from gateway.trace_context import outgoing
from gateway.triton.examined import Examined
from gateway.triton.probe import Asked
from gateway.triton.transport import Call, Transport

logger = logging.getLogger("gateway.triton")


class EmbeddingBackend:
    """One Triton that serves one embedding model."""

    def __init__(self, transport: Transport, route: EmbeddingRoute) -> None:
        self.transport = transport
        self._route = route
        self._bound: BoundEmbedding | None = None
        self._binding = asyncio.Lock()

    @property
    def known(self) -> BoundEmbedding | None:
        """The binding, where it was made already."""
        return self._bound

    @property
    def asked(self) -> Asked:
        return Examined(self.transport, self)

    async def close(self) -> None:
        await self.transport.close()

    async def bound(self) -> BoundEmbedding:
        """The binding, made on first use. UpstreamUnavailable while Triton is away, BindError where it does not fit."""
        if self._bound is None:
            async with self._binding:
                if self._bound is None:
                    self._bound = await self._bind()
        return self._bound

    async def bound_anew(self) -> BoundEmbedding:
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

    async def ask(self, bound: BoundEmbedding, request_id: str, tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
        """The reply to one batch. Being cancelled cancels it in Triton. A Triton that went away is bound anew."""
        outputs: Mapping[str, Tensor] = {}

        def take(responses: Sequence[Response]) -> bool:
            nonlocal outputs
            for response in responses:
                outputs = response.outputs or outputs
            return responses[-1].final

        try:
            call = Call(bound.model, request_id, tensors, (bound.output.name,), headers=outgoing.get())
            await self.transport.feed(call, take)
        except UpstreamUnavailable:
            self._bound = None
            raise
        except UpstreamError as exc:
            # Triton says "unknown model" in words only; whether it is there now is a fact.
            if not await self.transport.ready(bound.model):
                self._bound = None
                raise UpstreamUnavailable(
                    "The model is not loaded in its server right now. Try again shortly."
                ) from exc
            raise
        return outputs

    async def _bind(self) -> BoundEmbedding:
        name = self._route.triton_model
        signature = await self.transport.signature(name)
        if signature is None:
            raise BindError(f"Triton has no model '{name}'. Set triton_model in the [[embeddings]] table.")
        bound = bind(self._route, signature)
        if bound != self._bound:
            logger.info(
                "embeddings from Triton model '%s': %s %s → %s, pooling %s",
                bound.model,
                "text" if bound.takes_text else "token ids",
                bound.input.name,
                bound.output.name,
                self._route.pooling,
            )
        return bound
