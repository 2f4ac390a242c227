"""The normal form of a stream: neighbours that only carry more text of one thing are one frame.

Tokens that arrive together are one chunk, so how many chunks there are is chance; everything else is compared byte for
byte. Every frame must be written as the gateway writes JSON, so that what is put together here is what it would write.
"""

from __future__ import annotations

import json
from typing import Any

TEXTS = frozenset(
    {"content", "reasoning_content", "reasoning", "text", "arguments", "delta", "thinking", "partial_json"}
)
LISTS = frozenset({"content", "tokens", "token_logprobs", "text_offset", "top_logprobs"})  # of log-probabilities
LATEST = frozenset({"usage"})


class Differs(Exception):
    """Two values are not text of one thing."""


def together(stream: bytes) -> bytes:
    """The stream in its normal form. Responses' sequence numbers, which must count up from 0, are given anew."""
    found: list[tuple[bytes, Any]] = []  # the lines before the data, and the data
    numbers: list[int] = []
    for frame in stream.split(b"\n\n"):
        head, data, body = frame.rpartition(b"data: ")
        if not data or not body.startswith(b"{"):
            found.append((frame, None))
            continue
        value = json.loads(body)
        assert _dumped(value) == body
        if value.get("usage") and any("role" in choice.get("delta", ()) for choice in value.get("choices", ())):
            value["usage"] = {}  # counts so far, of as many tokens as came with the first
        if "sequence_number" in value:
            numbers.append(value.pop("sequence_number"))
            value["sequence_number"] = None
        try:
            if not found or found[-1][0] != head or found[-1][1] is None:
                raise Differs
            found[-1] = (head, _joined(found[-1][1], value))
        except Differs:
            found.append((head, value))
    assert numbers == list(range(len(numbers)))
    again = iter(range(len(found)))
    for _, value in found:
        if value is not None and "sequence_number" in value:
            value["sequence_number"] = next(again)
    return b"\n\n".join(head if value is None else head + b"data: " + _dumped(value) for head, value in found)


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    whole, texts = _merged(one, other)
    if not texts:
        raise Differs
    return whole


def _merged(one: dict[str, Any], other: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Both as one, and how many texts grew. Differs where they are about different things."""
    if list(one) != list(other):
        raise Differs
    whole: dict[str, Any] = {}
    texts = 0
    for name, a in one.items():
        b = other[name]
        if name in LATEST:
            whole[name] = b
        elif name in TEXTS and isinstance(a, str) and isinstance(b, str) and a:
            whole[name] = a + b
            texts += 1
        elif name == "finish_reason" and a is None:
            whole[name] = b
        elif name == "logprobs" and b is None:  # the end of an answer has no token of its own
            whole[name] = a
        elif name in LISTS and isinstance(a, list) and isinstance(b, list):
            whole[name] = a + b
        elif isinstance(a, dict) and isinstance(b, dict):
            whole[name], more = _merged(a, b)
            texts += more
        elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b) == 1 and isinstance(a[0], dict):
            inner, more = _merged(a[0], b[0])
            whole[name] = [inner]
            texts += more
        elif a == b:
            whole[name] = a
        else:
            raise Differs
    return whole, texts
