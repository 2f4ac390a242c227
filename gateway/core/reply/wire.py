"""JSON and server-sent events, and the error object that all of OpenAI's endpoints share. It knows no endpoint."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any

from gateway.core.errors import GatewayError
from gateway.core.types import Usage

# A text as JSON, as ``dumps`` writes it, without setting up an encoder: there is one for every token.
quoted = encode_basestring

DONE = b"data: [DONE]\n\n"


# Compact JSON with characters as they are: Chinese costs three bytes, not six.
dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def frame(value: object) -> bytes:
    """One server-sent event. Surrogates, which no UTF-8 has, become question marks."""
    return f"data: {dumps(value)}\n\n".encode("utf-8", "replace")


def usage(counts: Usage) -> dict[str, Any]:
    """OpenAI's usage object. What is not known is absent, not zero."""
    body: dict[str, Any] = {
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
    }
    if counts.cached_tokens is not None:
        body["prompt_tokens_details"] = {"cached_tokens": counts.cached_tokens}
    if counts.reasoning_tokens is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning_tokens}
    return body


def error_body(error: GatewayError) -> dict[str, Any]:
    """OpenAI's error object; all four keys are always there."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def error_frames(error: GatewayError) -> bytes:
    """An error after the stream began: one frame that both major SDKs raise on, then the end."""
    return frame(error_body(error)) + DONE
