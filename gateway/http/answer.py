"""One way out for every endpoint that generates: deltas streamed through an encoder, or collected into a body.

It knows HTTP and that the first delta decides the status. It must not know any endpoint's objects, nor Triton.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.core.errors import ClientDisconnected, GatewayError, UpstreamError
from gateway.core.reply.collect import Choice
from gateway.core.reply.wire import error_frames
from gateway.core.types import Delta
from gateway.http.access import billed
from gateway.http.body import json_response
from gateway.http.disconnect import leaving, while_connected
from gateway.http.sse import DeltaStream, ended
from gateway.http.writer import Writer
from gateway.service import Prepared, Service

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
    log_prompts: bool = False


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
        writer = Writer(encoder.push)
        work = asyncio.ensure_future(self._run(request, prepared, writer.write, waits))
        left = leaving(request.receive)
        try:
            await asyncio.wait((writer.begun, work, left), return_when=asyncio.FIRST_COMPLETED)
            if not writer.begun.done():
                if not work.done():
                    raise ClientDisconnected("The client left before the answer.")
                work.result()
                raise UpstreamError(f"The engine gave no answer to {prepared.id}.")
        except BaseException:
            await ended(work)
            await ended(left)
            raise
        return DeltaStream(
            writer,
            work,
            left,
            error,
            headers=ignored_header(prepared.ignored) | queue_header(waits),
            ping_seconds=self.settings.ping_seconds,
        )

    async def collected(
        self, request: Request, prepared: Prepared, body: Callable[[list[Choice]], Content]
    ) -> Response:
        """One body, made of the same deltas, with nobody watching it grow."""
        choices = [Choice() for _ in prepared.generates]
        return await self.folded(
            request, prepared, lambda delta: choices[delta.choice].push(delta), lambda: body(choices)
        )

    async def folded(
        self, request: Request, prepared: Prepared, push: Callable[[Delta], object], body: Callable[[], Content]
    ) -> Response:
        """One body, folded by ``push`` from what would have been streamed."""
        waits: list[float] = []
        await while_connected(request.receive, self._run(request, prepared, push, waits))
        return json_response(body(), headers=ignored_header(prepared.ignored) | queue_header(waits))

    async def _run(
        self, request: Request, prepared: Prepared, take: Callable[[Delta], object], waits: list[float]
    ) -> None:
        async with billed(request, prepared) as spent:
            await self.service.run(prepared, take, waits.append, spent.answered)


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
