"""The health of one Triton, asked for periodically: whether it lives, whether its model is ready, and what it is.

It knows a transport and a period. It must not know what follows from an answer: the pool does.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gateway.core.errors import GatewayError
from gateway.core.tensors import ModelSignature

T = TypeVar("T")

_KNOWN_PROBES = 30  # a Triton that was replaced between two probes is found out after so many


@dataclass(frozen=True, slots=True)
class Health:
    """What a probe found. ``version`` of the server and ``signature`` (a fingerprint of the model's inputs and
    outputs) are the last known; ``reason``, where it is not up or not ready, is for operators."""

    up: bool
    ready: bool
    version: str | None = None
    signature: str | None = None
    reason: str | None = None


class Asked(Protocol):
    """What a probe needs of a ``Transport``."""

    async def live(self) -> None: ...

    async def version(self) -> str: ...

    async def ready(self, model: str) -> bool: ...

    async def signature(self, model: str) -> ModelSignature | None: ...


class Probe:
    """Asks one Triton about one model, again and again."""

    def __init__(
        self,
        transport: Asked,
        model: str,
        *,
        period_seconds: float,
        timeout_seconds: float,
        random: Callable[[], float] = random.random,
    ) -> None:
        """``timeout_seconds`` bounds each of the answers, of which a probe awaits three at most."""
        self._transport = transport
        self._model = model
        self._period = period_seconds
        self._timeout = timeout_seconds
        self._random = random
        self._last = Health(False, False)
        self._known = 0  # probes for which version and signature are believed

    async def run(self, report: Callable[[Health], None]) -> None:
        """Reports each probe, the first at once. Runs until cancelled."""
        while True:
            self._last = await self.once()
            report(self._last)
            await asyncio.sleep(self._period * (0.8 + 0.4 * self._random()))

    async def once(self) -> Health:
        """One probe. Never raises."""
        last, up = self._last, False
        try:
            if not await self._within(self._transport.ready(self._model)):
                await self._within(self._transport.live())
                reason = f"answers, but its model '{self._model}' is not ready"
                return Health(True, False, last.version, last.signature, reason)
            up = True
            if last.ready and self._known > 0:
                self._known -= 1
                return Health(True, True, last.version, last.signature)
            # It may have come back as another.
            signature = await self._within(self._transport.signature(self._model))
            version = await self._within(self._transport.version())
            self._known = _KNOWN_PROBES
            return Health(True, True, version, None if signature is None else fingerprint(signature))
        except asyncio.TimeoutError:
            return Health(False, False, last.version, last.signature, f"no answer within {self._timeout:g} s")
        except GatewayError as exc:
            return Health(up, False, last.version, last.signature, exc.message)

    async def _within(self, answer: Awaitable[T]) -> T:
        return await asyncio.wait_for(answer, self._timeout)


def fingerprint(signature: ModelSignature) -> str:
    """The same for models that take and give the same tensors. Parameters are left out: they hold paths."""
    specs = [
        sorted((spec.name, spec.datatype, spec.dims, spec.optional) for spec in side)
        for side in (signature.inputs, signature.outputs)
    ]
    text = repr((specs, signature.decoupled, signature.max_batch_size))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """That the Tritons of a model differ. Equal to another where they differ in the same: ``text`` names some of them,
    and who is known of changes with every probe."""

    what: str
    values: tuple[str, ...]
    text: str = field(compare=False)


def disagreement(healths: Mapping[str, Health]) -> Disagreement | None:
    """Where the Tritons of a model, by address, are of different versions or signatures."""
    for what, name in (("version", "server version"), ("signature", "model signature")):
        found: dict[str, list[str]] = {}
        for address, health in healths.items():
            value = getattr(health, what)
            if value is not None:
                found.setdefault(value, []).append(address)
        if len(found) > 1:
            parts = "; ".join(f"{value} on {', '.join(sorted(places)[:5])}" for value, places in sorted(found.items()))
            text = f"The Tritons differ in {name}: {parts}. Answers may differ; serve one model from equal servers."
            return Disagreement(what, tuple(sorted(found)), text)
    return None
