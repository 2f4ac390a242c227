"""What a prompt is in tokens, without inference: for people who count, compare or debug. It knows HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway import __version__
from gateway.core.detokenize import Detokenizer
from gateway.core.errors import RequestError
from gateway.core.schema.chat import ChatRequest, parse_chat
from gateway.core.schema.tokenization import DetokenizeRequest, TokenizeRequest, parse_detokenize, parse_tokenize
from gateway.http.access import permit
from gateway.http.answer import Answering
from gateway.http.body import json_response, read_body
from gateway.http.description import described
from gateway.http.plain import plain_router
from gateway.offload import offloaded


def router(answering: Answering) -> APIRouter:
    routes = plain_router()
    service, limit = answering.service, answering.settings.max_body_bytes

    @routes.post("/tokenize", openapi_extra=described(TokenizeRequest))
    async def tokenize(request: Request) -> Response:
        """Token ids of a text, or of the prompt that a chat is rendered to."""
        raw = await read_body(request, limit)
        asked = await offloaded(lambda: parse_tokenize(raw), len(raw))
        permit(request, asked.model)
        model = service.model(asked.model)
        if asked.prompt is not None:
            text = asked.prompt
            ids = await offloaded(lambda: model.tokenizer.encode(text), len(text))
        else:
            ids = list((await service.rendered(asked.chat, size=len(raw))).ids)
        body: dict[str, Any] = {"count": len(ids), "max_model_len": model.limits.max_model_len, "tokens": ids}
        body["token_strs"] = [model.tokenizer.token(id) for id in ids] if asked.return_token_strs else None
        return json_response(body)

    @routes.post("/detokenize", openapi_extra=described(DetokenizeRequest))
    async def detokenize(request: Request) -> Response:
        """The text of token ids. Control tokens have none."""
        asked = parse_detokenize(await read_body(request, limit))
        permit(request, asked.model)
        table = service.model(asked.model).tokenizer.table
        strange = next((id for id in asked.tokens if id >= len(table)), None)
        if strange is not None:
            raise RequestError(
                f"Invalid 'tokens': token {strange} does not exist; this model's ids are 0 to {len(table) - 1}.",
                param="tokens",
            )
        detokenizer = Detokenizer(table)
        return json_response({"prompt": detokenizer.push(asked.tokens) + detokenizer.flush()})

    @routes.post("/v1/chat/completions/render", openapi_extra=described(ChatRequest))
    async def render(request: Request) -> Response:
        """The prompt of a chat, as text and as token ids, without inference."""
        raw = await read_body(request, limit)
        chat = await offloaded(lambda: parse_chat(raw), len(raw))
        permit(request, chat.model)
        prompt = await service.rendered(chat, size=len(raw))
        return json_response(
            {"model": chat.model, "prompt": prompt.text, "token_ids": prompt.ids, "count": len(prompt.ids)}
        )

    @routes.get("/version")
    async def version() -> Response:
        """The gateway's version."""
        return json_response({"version": __version__})

    return routes
