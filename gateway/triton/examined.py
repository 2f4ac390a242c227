"""One Triton as probes ask it: its transport, and its model's readiness as the backend on it sees it.

It knows that a model's name follows from the route that was bound. It must not know when to ask, nor what follows.
"""

from __future__ import annotations

from typing import Any, Protocol

from gateway.core.tensors import ModelSignature


class Answering(Protocol):
    """A backend, as far as a probe needs one."""

    async def ready(self) -> bool: ...

    async def bound_anew(self) -> Any: ...


class Examined:
    """A transport, with its model's readiness as the backend on it sees it: the model's name follows from the route."""

    def __init__(self, transport: Any, backend: Answering) -> None:
        self._transport = transport
        self._backend = backend

    async def live(self) -> None:
        await self._transport.live()

    async def version(self) -> str:
        return str(await self._transport.version())

    async def ready(self, model: str) -> bool:
        return await self._backend.ready()

    async def signature(self, model: str) -> ModelSignature | None:
        """Asked whenever the model may have come back as another, so it is also when the backend is bound anew."""
        found: ModelSignature | None = await self._transport.signature((await self._backend.bound_anew()).model)
        return found
