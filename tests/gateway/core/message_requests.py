"""Requests in Anthropic's form, and the bodies of a chat that they are translated into."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.messages import chat_body
from gateway.core.schema.messages import parse_messages

HELLO = {"role": "user", "content": "hi"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "天气", "input": {"城市": "北京", "n": [1, None]}}


def request(**fields: Any) -> Any:
    return parse_messages(json.dumps({"model": "q", "max_tokens": 9, "messages": [HELLO], **fields}).encode())


def body(**fields: Any) -> dict[str, Any]:
    return chat_body(request(**fields)).body


def text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


def result(content: Any = None, **fields: Any) -> dict[str, Any]:
    given = {} if content is None else {"content": content}
    return {"type": "tool_result", "tool_use_id": "toolu_1", **given, **fields}
