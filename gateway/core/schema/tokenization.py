"""POST /tokenize and /detokenize, spelled as vLLM does. It knows fields; it must not know tokenizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from gateway.core.errors import RequestError
from gateway.core.schema.base import MOST_ITEMS, Model, parse
from gateway.core.schema.chat import ChatRequest, TokenId
from gateway.core.schema.message import Message, Tool

LONGEST_TEXT = 2**19  # characters; a tokenizer takes about a second for them


class TokenizeRequest(Model):
    """Either a ``prompt``, taken as it is, or the ``messages`` of a chat."""

    model: str
    prompt: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_ITEMS, fail_fast=True)] | None = None
    tools: list[Tool] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    add_special_tokens: bool | None = None  # Qwen's tokenizers add none
    return_token_strs: bool | None = None

    @property
    def chat(self) -> ChatRequest:
        """The chat whose prompt is asked for."""
        names = (
            "model",
            "messages",
            "tools",
            "chat_template_kwargs",
            "add_generation_prompt",
            "continue_final_message",
        )
        return ChatRequest.model_construct(**{name: getattr(self, name) for name in names})


class DetokenizeRequest(Model):
    model: str
    tokens: Annotated[list[TokenId], Field(max_length=2**20)]


def parse_tokenize(body: bytes | Mapping[str, object]) -> TokenizeRequest:
    request = parse(TokenizeRequest, body)
    if (request.prompt is None) == (request.messages is None):
        raise RequestError("Send either 'prompt' or 'messages'.", param="prompt")
    return request


def parse_detokenize(body: bytes | Mapping[str, object]) -> DetokenizeRequest:
    return parse(DetokenizeRequest, body)
