"""What a reply of the gateway must be, by the path and the request it answers.

It knows the API's paths and the strict objects. It must not know how a reply was fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import own_objects
from .anthropic_objects import objects as anthropic
from .anthropic_objects.streams import check_message, check_message_stream
from .openai_objects.base import ErrorBody
from .openai_objects.chat import ChatCompletion
from .openai_objects.completions import Completion
from .openai_objects.lists import EmbeddingList, Model, ModelList
from .openai_objects.response_stream import check_response_stream
from .openai_objects.responses import InputTokens, Response
from .openai_objects.streams import check_chat_stream, check_completion_stream, prompts
from .sse import read_events


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its reply. Names of headers are in lower case. ``complete``: the reply was read to its end."""

    method: str
    path: str
    request: bytes
    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True

    @property
    def asked(self) -> dict[str, Any]:
        """The request's JSON object, empty where it is none."""
        try:
            body = json.loads(self.request or b"null")
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


Check = Callable[[Exchange], None]


def check(exchange: Exchange) -> None:
    """AssertionError, or pydantic's ValidationError (a ValueError), where the reply is not what clients rely on."""
    assert exchange.headers.get("x-request-id"), "a reply without x-request-id"
    if exchange.status >= 400:
        _check_error(exchange)
        return
    if exchange.method == "HEAD":
        return
    path = "/v1/models/{model}" if exchange.path.startswith("/v1/models/") else exchange.path
    rule = REPLIES.get((exchange.method, path))
    assert rule is not None, f"no object is known for {exchange.method} {exchange.path}: add it to {__name__}.REPLIES"
    rule(exchange)


def _check_error(exchange: Exchange) -> None:
    assert exchange.headers["content-type"] == "application/json", exchange.headers["content-type"]
    if not exchange.complete or exchange.method == "HEAD":
        return
    kind = anthropic.ErrorBody if exchange.path.startswith("/v1/messages") else ErrorBody
    kind.model_validate(_json(exchange))
    if exchange.status in (429, 503):
        assert exchange.headers.get("retry-after"), f"{exchange.status} without retry-after"


def _json(exchange: Exchange) -> Any:
    assert exchange.headers["content-type"] == "application/json", exchange.headers["content-type"]
    return json.loads(exchange.body)


def _streamed_or(whole: Check, stream: Check) -> Check:
    """The reply as it was asked for: ``stream`` decides."""

    def either(exchange: Exchange) -> None:
        if not exchange.asked.get("stream"):
            if exchange.complete:
                whole(exchange)
            return
        assert exchange.headers["content-type"] == "text/event-stream; charset=utf-8", exchange.headers["content-type"]
        stream(exchange)

    return either


def _chat(exchange: Exchange) -> None:
    reply = ChatCompletion.model_validate(_json(exchange))
    assert [choice.index for choice in reply.choices] == list(range(exchange.asked.get("n") or 1)), "n, or the order"
    for choice in reply.choices:
        calls = choice.message.tool_calls or []
        assert calls or choice.finish_reason != "tool_calls", "finish_reason is tool_calls, and there is no call"
        assert calls or choice.message.content is not None, "neither content nor a call"
        assert len({call.id for call in calls}) == len(calls), "two calls have one id"
    _check_sum(reply.usage)


def _completion(exchange: Exchange) -> None:
    reply = Completion.model_validate(_json(exchange))
    wanted = prompts(exchange.asked.get("prompt")) * (exchange.asked.get("n") or 1)
    assert [choice.index for choice in reply.choices] == list(range(wanted)), "n, or the order"
    _check_sum(reply.usage)


def _check_sum(usage: Any) -> None:
    assert usage is not None, "a whole reply has usage"
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage


def _response(exchange: Exchange) -> None:
    reply = Response.model_validate(_json(exchange))
    assert reply.status in ("completed", "incomplete"), reply.status
    assert (reply.status == "incomplete") is (reply.incomplete_details is not None), "incomplete, and why"
    assert reply.usage is not None, "a whole response has usage"
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens, reply.usage


def _message(exchange: Exchange) -> None:
    check_message(anthropic.Message.model_validate(_json(exchange)))


def _object(kind: Any) -> Check:
    return lambda exchange: kind.model_validate(_json(exchange)) and None


def _events(rule: Callable[..., None], *, asked: bool = False) -> Check:
    def stream(exchange: Exchange) -> None:
        events = read_events(exchange.body, complete=exchange.complete)
        rule(events, *([exchange.asked] if asked else []), complete=exchange.complete)

    return stream


REPLIES: dict[tuple[str, str], Check] = {
    ("POST", "/v1/chat/completions"): _streamed_or(_chat, _events(check_chat_stream, asked=True)),
    ("POST", "/v1/completions"): _streamed_or(_completion, _events(check_completion_stream, asked=True)),
    ("POST", "/v1/responses"): _streamed_or(_response, _events(check_response_stream)),
    ("POST", "/v1/responses/input_tokens"): _object(InputTokens),
    ("POST", "/v1/messages"): _streamed_or(_message, _events(check_message_stream)),
    ("POST", "/v1/messages/count_tokens"): _object(anthropic.TokenCount),
    ("POST", "/v1/embeddings"): _object(EmbeddingList),
    ("POST", "/v1/chat/completions/render"): _object(own_objects.Rendered),
    ("POST", "/tokenize"): _object(own_objects.Tokens),
    ("POST", "/detokenize"): _object(own_objects.Text),
    ("GET", "/version"): _object(own_objects.Version),
    ("GET", "/v1/models"): _object(ModelList),
    ("GET", "/v1/models/{model}"): _object(Model),
}
