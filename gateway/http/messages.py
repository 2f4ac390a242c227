"""Anthropic's endpoints: a message is translated into a chat, goes every chat's way, and is told in Anthropic's words.

It knows HTTP and which translation and which encoder belong together; it must not know Triton. What fails before a
stream begins is told in Anthropic's shape by ``http.app``, as errors of every endpoint are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core.errors import RequestError
from gateway.core.messages import Translated, capped, chat_body, unheard
from gateway.core.reply.messages import MessageEvents, MessageReply, MessageStream
from gateway.core.schema.chat import ChatRequest, parse_chat
from gateway.core.schema.messages import CountRequest, MessagesRequest, parse_count, parse_messages
from gateway.http.access import permit
from gateway.http.answer import Answering, ignored_header
from gateway.http.body import json_response, read_body
from gateway.http.description import described
from gateway.http.origin import origin
from gateway.http.plain import plain_router
from gateway.service import Prepared

PREFIX = "/v1/messages"
T = TypeVar("T")


def router(answering: Answering) -> APIRouter:
    """The routes under /v1/messages."""
    routes = plain_router(PREFIX)
    service, limit = answering.service, answering.settings.max_body_bytes

    @routes.post("", openapi_extra=described(MessagesRequest))
    async def create(request: Request) -> Response:
        """A chat's next message, as Anthropic's messages: whole, or with `stream` as its events."""
        raw = await read_body(request, limit)
        asked = parse_messages(raw)
        permit(request, asked.model)
        translated = chat_body(asked)
        own = unheard(asked)
        prepared = await _as_chat(
            translated,
            lambda chat: service.chat(chat, size=len(raw), origin=origin(request), prefix="msg_", ignored=own),
        )
        prepared = _for_client(prepared, asked, translated, own)
        events = MessageEvents(
            id=prepared.id,
            model=prepared.model,
            input_tokens=prepared.prompt_tokens,
            max_tokens=asked.max_tokens,
            show_thinking=asked.thinking is None or asked.thinking.display != "omitted",
        )
        if asked.stream:
            stream = MessageStream(events, request_id=request.state.request_id)
            return await answering.streamed(request, prepared, stream, error=stream.error)
        reply = MessageReply(events)
        return await answering.folded(request, prepared, reply.push, lambda: reply.body)

    @routes.post("/count_tokens", openapi_extra=described(CountRequest))
    async def count_tokens(request: Request) -> Response:
        """How many tokens the prompt of a message would have."""
        raw = await read_body(request, limit)
        asked = parse_count(raw)
        permit(request, asked.model)
        translated = chat_body(asked)
        prompt = await _as_chat(translated, lambda chat: service.rendered(chat, size=len(raw)))
        return json_response({"input_tokens": len(prompt.ids)}, headers=ignored_header(unheard(asked)))

    return routes


async def _as_chat(translated: Translated, work: Callable[[ChatRequest], Awaitable[T]]) -> T:
    """What ``work`` makes of the chat. Errors about the chat's fields name the message's."""
    try:
        return await work(parse_chat(translated.body))
    except RequestError as error:
        raise translated.restored(error) from error


def _for_client(prepared: Prepared, asked: MessagesRequest, translated: Translated, own: tuple[str, ...]) -> Prepared:
    return replace(
        prepared,
        generates=tuple(capped(generate, asked.max_tokens) for generate in prepared.generates),
        ignored=tuple(name if name in own else translated.source(name) for name in prepared.ignored),
    )
