"""One way out for every endpoint that generates: deltas streamed through an encoder, or collected into a body.

It knows HTTP and that the first delta decides the status. It must not know any endpoint's objects, nor Triton.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.core.errors import GatewayError, UpstreamError
from gateway.core.reply.collect import Choice
from gateway.core.reply.wire import error_frames
from gateway.core.types import Delta
from gateway.http.access import billed
from gateway.http.body import json_response
from gateway.http.disconnect import while_connected
from gateway.http.sse import DeltaStream
from gateway.service import Deltas, Prepared, Service

Content = dict[str, Any]


class Encoder(Protocol):
    """Deltas → frames; with the last finish everything up to the end of the stream."""

    def push(self, delta: Delta) -> bytes: ...


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Limits and manners of the HTTP edge. Bytes and seconds. ``reasoning``: field names for thinking."""

    max_body_bytes: int
    ping_seconds: int
    reasoning: tuple[str, ...] = ("reasoning_content",)


@dataclass(frozen=True, slots=True)
class Answering:
    """What endpoints answer with."""

    service: Service
    settings: EndpointSettings

    async def streamed(
        self,
        request: Request,
        prepared: Prepared,
        encoder: Encoder,
        *,
        error: Callable[[GatewayError], bytes] = error_frames,
    ) -> Response:
        """A stream of events. What fails before the first delta still has a status of its own; ``error`` makes the
        frames of what fails later."""
        waits: list[float] = []
        deltas = billed(request, prepared, self.service.stream(prepared, waits.append))
        first = await while_connected(request.receive, _first(deltas, prepared))
        return DeltaStream(
            first,
            deltas,
            encoder.push,
            error,
            headers=ignored_header(prepared.ignored) | queue_header(waits),
            ping_seconds=self.settings.ping_seconds,
        )

    async def collected(
        self, request: Request, prepared: Prepared, body: Callable[[list[Choice]], Content]
    ) -> Response:
        """One body, made of the same deltas, with nobody watching it grow."""
        waits: list[float] = []
        deltas = billed(request, prepared, self.service.stream(prepared, waits.append))
        choices = await while_connected(request.receive, _collect(deltas, prepared))
        return json_response(body(choices), headers=ignored_header(prepared.ignored) | queue_header(waits))

    async def folded(
        self, request: Request, prepared: Prepared, push: Callable[[Delta], object], body: Callable[[], Content]
    ) -> Response:
        """One body, folded by an encoder from what it would have streamed."""
        waits: list[float] = []
        deltas = billed(request, prepared, self.service.stream(prepared, waits.append))
        for batch in await while_connected(request.receive, _all(deltas)):
            for delta in batch:
                push(delta)
        return json_response(body(), headers=ignored_header(prepared.ignored) | queue_header(waits))


async def _all(deltas: AsyncGenerator[Deltas, None]) -> list[Deltas]:
    async with aclosing(deltas):
        whole = [batch async for batch in deltas]
    if not whole or whole[-1][-1].finish is None:
        raise UpstreamError("The engine's stream ended before the answer did.")
    return whole


async def _collect(deltas: AsyncGenerator[Deltas, None], prepared: Prepared) -> list[Choice]:
    choices = [Choice() for _ in prepared.generates]
    async with aclosing(deltas):
        async for batch in deltas:
            for delta in batch:
                choices[delta.choice].push(delta)
    if any(choice.finish is None for choice in choices):
        raise UpstreamError("The engine's stream ended before the answer did.")
    return choices


async def _first(deltas: AsyncGenerator[Deltas, None], prepared: Prepared) -> Deltas:
    """The first deltas; they decide the status. The stream stays open for the rest."""
    async for batch in deltas:
        return batch
    raise UpstreamError(f"The engine gave no answer to {prepared.id}.")


def queue_header(waits: Sequence[float]) -> dict[str, str]:
    """``x-queue-time-ms``: how long the request waited for an engine, the longest of its answers."""
    return {"x-queue-time-ms": str(round(1000 * max(waits, default=0.0)))}


def ignored_header(names: tuple[str, ...]) -> dict[str, str]:
    """``x-ignored-fields``: what the client sent and nobody knows. Names are a stranger's: only printable ASCII."""
    if not names:
        return {}
    return {
        "x-ignored-fields": ", ".join(name.encode("ascii", "backslashreplace").decode() for name in map(_sane, names))
    }


def _sane(name: str) -> str:
    return "".join(char if char.isprintable() and char != "," else "?" for char in name)
