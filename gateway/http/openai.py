"""OpenAI's endpoints. Each is: read the body, check it, let the service prepare it, encode. It knows HTTP and which
schema and which encoder belong together; it must not know Triton.
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core.reply import models
from gateway.core.reply.chat import ChatStream, ChatStyle, chat_completion
from gateway.core.reply.completions import CompletionStream, text_completion
from gateway.core.schema.chat import ChatRequest, parse_chat
from gateway.core.schema.completions import CompletionRequest, parse_completion
from gateway.embedder import Embedder, ServedEmbedding
from gateway.http.access import may_use, permit
from gateway.http.answer import Answering
from gateway.http.body import json_response, read_body
from gateway.http.description import described
from gateway.http.origin import origin
from gateway.http.plain import plain_router
from gateway.offload import LONG_BODY, offloaded
from gateway.service import ServedModel, Service


def router(answering: Answering, embedder: Embedder) -> APIRouter:
    """The routes under /v1."""
    routes = plain_router("/v1")
    service, settings = answering.service, answering.settings

    @routes.post("/chat/completions", openapi_extra=described(ChatRequest))
    async def chat_completions(request: Request) -> Response:
        """A chat's next message, as OpenAI's chat completions: whole, or with `stream` as events."""
        raw = await read_body(request, settings.max_body_bytes)
        chat = await offloaded(lambda: parse_chat(raw), len(raw), long=LONG_BODY)
        permit(request, chat.model)
        prepared = await service.chat(chat, size=len(raw), origin=origin(request))
        created = int(time.time())
        style = ChatStyle(chat.include_usage, bool(chat.logprobs), settings.reasoning)
        if not chat.stream:
            return await answering.collected(
                request,
                prepared,
                lambda choices: chat_completion(
                    choices, id=prepared.id, created=created, model=prepared.model, style=style
                ),
            )
        encoder = ChatStream(
            id=prepared.id,
            created=created,
            model=prepared.model,
            choices=len(prepared.generates),
            style=style,
        )
        return await answering.streamed(request, prepared, encoder)

    @routes.post("/completions", openapi_extra=described(CompletionRequest))
    async def completions(request: Request) -> Response:
        """A text's continuation, as OpenAI's older completions: no chat template, no tools."""
        raw = await read_body(request, settings.max_body_bytes)
        completion = await offloaded(lambda: parse_completion(raw), len(raw), long=LONG_BODY)
        permit(request, completion.model)
        prepared = await service.completion(completion, size=len(raw), origin=origin(request))
        created = int(time.time())
        echo = [generate.prompt.text for generate in prepared.generates] if completion.echo else []
        n = completion.n or 1
        if not completion.stream:
            return await answering.collected(
                request,
                prepared,
                lambda choices: text_completion(
                    choices,
                    id=prepared.id,
                    created=created,
                    model=prepared.model,
                    n=n,
                    logprobs=completion.logprobs is not None,
                    echo=echo,
                ),
            )
        encoder = CompletionStream(
            id=prepared.id,
            created=created,
            model=prepared.model,
            choices=len(prepared.generates),
            n=n,
            include_usage=completion.include_usage,
            echo=echo,
        )
        return await answering.streamed(request, prepared, encoder)

    @routes.get("/models")
    async def list_models(request: Request) -> Response:
        """The models that the caller may use, LoRA adapters among them."""
        cards = [await _card(service, each) for each in service.models.values() if may_use(request, each.name)]
        cards += [
            await _embedding_card(embedder, each) for each in embedder.models.values() if may_use(request, each.name)
        ]
        return json_response(models.model_list(cards))

    @routes.get("/models/{model:path}")
    async def one_model(request: Request, model: str) -> Response:
        """One model with its `capabilities`: its route, and what it cannot do."""
        permit(request, model)
        if model in embedder.models:
            return json_response(await _embedding_card(embedder, embedder.model(model)))
        return json_response(await _card(service, service.model(model)))

    return routes


async def _card(service: Service, model: ServedModel) -> dict[str, Any]:
    return models.model_card(
        model.name,
        created=model.created,
        max_model_len=model.limits.max_model_len,
        parent=model.parent,
        capabilities=await service.capabilities(model),
    )


async def _embedding_card(embedder: Embedder, model: ServedEmbedding) -> dict[str, Any]:
    return models.model_card(
        model.name,
        created=model.created,
        max_model_len=model.max_model_len,
        capabilities=await embedder.capabilities(model),
    )
