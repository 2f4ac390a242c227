"""OpenAI's Responses: a request is translated into a chat, goes every chat's way, and is told in this API's events.

It knows HTTP and which translation and which encoder belong together; it must not know Triton. Nothing is stored, so
there is no response to get, to cancel or to delete later.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core.errors import RequestError, ResponseNotFound
from gateway.core.reply.responses import ResponsesReply, ResponsesStream
from gateway.core.responses import Translation, translate
from gateway.core.schema.base import ignored
from gateway.core.schema.chat import ChatRequest, parse_chat
from gateway.core.schema.responses import ResponsesRequest, parse_responses
from gateway.http.access import permit
from gateway.http.answer import Answering, ignored_header
from gateway.http.body import json_response, read_body
from gateway.http.description import described
from gateway.http.origin import origin
from gateway.http.plain import plain_router
from gateway.offload import offloaded

T = TypeVar("T")


def router(answering: Answering) -> APIRouter:
    """The routes under /v1/responses."""
    routes = plain_router("/v1/responses")
    service, limit = answering.service, answering.settings.max_body_bytes

    @routes.post("", openapi_extra=described(ResponsesRequest))
    async def create(request: Request) -> Response:
        """A response, as OpenAI's newer API: whole, or with `stream` as its events. Nothing is stored."""
        raw = await read_body(request, limit)
        asked, translation = await _read(raw)
        permit(request, asked.model)
        own = ignored(asked)
        prepared = await _as_chat(
            translation,
            lambda chat: service.chat(chat, size=len(raw), origin=origin(request), prefix="resp_", ignored=own),
        )
        unread = (translation.field(name) for name in prepared.ignored[len(own) :])  # the chat's names, after ours
        prepared = replace(prepared, ignored=(*own, *unread))
        head: dict[str, Any] = {"id": prepared.id, "created": int(time.time()), "model": prepared.model}
        if asked.stream:
            stream = ResponsesStream(**head, request=asked)
            return await answering.streamed(request, prepared, stream, error=stream.error)
        reply = ResponsesReply(**head, request=asked)
        return await answering.folded(request, prepared, reply.push, reply.body)

    @routes.post("/input_tokens", openapi_extra=described(ResponsesRequest))
    async def input_tokens(request: Request) -> Response:
        """How many tokens the prompt of a response would have."""
        raw = await read_body(request, limit)
        asked, translation = await _read(raw)
        permit(request, asked.model)
        prompt = await _as_chat(translation, lambda chat: service.rendered(chat, size=len(raw)))
        body = {"object": "response.input_tokens", "input_tokens": len(prompt.ids)}
        return json_response(body, headers=ignored_header(ignored(asked)))

    @routes.get("/{id}")
    @routes.delete("/{id}")
    @routes.post("/{id}/cancel")
    @routes.get("/{id}/input_items")
    async def stored(id: str) -> Response:
        """Always a 404: nothing is stored."""
        raise ResponseNotFound(
            f"The response '{id[:64]}' does not exist: this server stores nothing. A response is whole in the reply to "
            "its request, and the connection's end cancels it."
        )

    return routes


async def _read(raw: bytes) -> tuple[ResponsesRequest, Translation]:
    """The checked request and its chat. In a thread where it is long: the streams of others must go on meanwhile."""

    def read() -> tuple[ResponsesRequest, Translation]:
        asked = parse_responses(raw)
        return asked, translate(asked)

    return await offloaded(read, len(raw))


async def _as_chat(translation: Translation, work: Callable[[ChatRequest], Awaitable[T]]) -> T:
    """What ``work`` makes of the chat. Errors about the chat's fields name the request's."""
    try:
        return await work(parse_chat(translation.body))
    except RequestError as error:
        raise translation.renamed(error) from error
