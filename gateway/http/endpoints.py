"""OpenAI's endpoints. Each is: read the body, check it, let the service stream, encode. It knows HTTP and OpenAI's
objects; it must not know Triton.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core import reply
from gateway.core.errors import PayloadTooLarge, UpstreamError
from gateway.core.schema import ChatRequest, parse_chat
from gateway.core.types import Delta, Finish, Generate
from gateway.http.disconnect import while_connected
from gateway.http.sse import DeltaStream
from gateway.service import ServedModel, Service

# A body past this is tokenized in a thread: tens of milliseconds of one client's text would stall every other stream.
LONG_BODY = 16 * 1024


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Limits of the HTTP edge. Sizes in bytes, times in seconds."""

    max_body_bytes: int
    ping_seconds: int
    grace_seconds: float


def router(service: Service, settings: EndpointSettings) -> APIRouter:
    """The routes under /v1."""
    routes = APIRouter(prefix="/v1")
    schema = ChatRequest.model_json_schema()
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

    @routes.post("/chat/completions", openapi_extra=body)
    async def chat_completions(request: Request) -> Response:
        raw = await read_body(request, settings.max_body_bytes)
        chat = parse_chat(raw)
        if len(raw) > LONG_BODY:
            generate = await asyncio.to_thread(service.prepare, chat)
        else:
            generate = service.prepare(chat)
        created = int(time.time())
        deltas = service.stream(generate)
        if not chat.stream:
            texts, finish = await while_connected(request.receive, _collect(deltas))
            content = reply.chat_completion(texts, finish, id=generate.id, created=created, model=generate.model)
            return _json(content)
        encoder = reply.ChatStream(
            id=generate.id, created=created, model=generate.model, include_usage=chat.include_usage
        )
        first = await while_connected(request.receive, _first(deltas, generate))
        return DeltaStream(
            first,
            deltas,
            encoder.push,
            ping_seconds=settings.ping_seconds,
            grace_seconds=settings.grace_seconds,
        )

    @routes.get("/models")
    async def models() -> Response:
        return _json(reply.model_list([_card(model) for model in service.models.values()]))

    @routes.get("/models/{model:path}")
    async def model(model: str) -> Response:
        return _json(_card(service.model(model)))

    return routes


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; PayloadTooLarge as soon as it is longer than ``limit`` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than the {limit} bytes this server takes.")
        chunks.append(chunk)
    return b"".join(chunks)


async def _collect(deltas: AsyncGenerator[Delta, None]) -> tuple[list[str], Finish]:
    """The whole answer: the same stream, with nobody watching it grow."""
    texts: list[str] = []
    async with aclosing(deltas):
        async for delta in deltas:
            texts.append(delta.text)
            if delta.finish is not None:
                return texts, delta.finish
    raise UpstreamError("The engine's stream ended before the answer did.")


async def _first(deltas: AsyncGenerator[Delta, None], generate: Generate) -> Delta:
    """The first delta; it decides the status. The stream stays open for the rest."""
    async for delta in deltas:
        return delta
    raise UpstreamError(f"The engine gave no answer to {generate.id}.")


def _card(model: ServedModel) -> dict[str, Any]:
    return reply.model_card(model.name, created=model.created, max_model_len=model.limits.max_model_len)


def _json(content: object) -> Response:
    """JSON with characters as they are, like every chunk."""
    return Response(reply.dumps(content), media_type="application/json")
