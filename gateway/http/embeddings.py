"""OpenAI's endpoint for embeddings: read the body, check it, let the embedder ask, encode. It must not know Triton."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core.schema.base import ignored
from gateway.core.schema.embeddings import EmbeddingRequest, parse_embeddings
from gateway.embedder import Embedder
from gateway.http.access import billed_input, permit
from gateway.http.answer import EndpointSettings, ignored_header
from gateway.http.body import read_body
from gateway.http.description import described
from gateway.http.disconnect import while_connected
from gateway.http.plain import plain_router


def router(embedder: Embedder, settings: EndpointSettings) -> APIRouter:
    """The route under /v1."""
    routes = plain_router("/v1")

    @routes.post("/embeddings", openapi_extra=described(EmbeddingRequest))
    async def embeddings(request: Request) -> Response:
        """Vectors of texts or of token ids, as floats or base64."""
        raw = await read_body(request, settings.max_body_bytes)
        asked = await asyncio.to_thread(parse_embeddings, raw)
        permit(request, asked.model)
        content = await while_connected(request.receive, _answer(request, embedder, asked, len(raw)))
        return Response(content, media_type="application/json", headers=ignored_header(ignored(asked)))

    return routes


async def _answer(request: Request, embedder: Embedder, asked: EmbeddingRequest, size: int) -> bytes:
    from gateway.core.reply.embeddings import embedding_list  # loads numpy, where no model did

    embed = await embedder.prepare(asked)
    # Where nobody can count tokens, a limit of them still holds: a token has four bytes or more, as a rule.
    async with billed_input(request, size // 4 if embed.tokens is None else embed.tokens):
        vectors = await embedder.embed(embed)
    base64 = asked.encoding_format == "base64"
    # In a thread: a quarter of a million numbers take a tenth of a second.
    return await asyncio.to_thread(embedding_list, vectors, model=embed.model, tokens=embed.tokens, base64=base64)
