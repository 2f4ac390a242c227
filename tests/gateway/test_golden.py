"""Golden transcripts: for every feature, the bytes of a stream as a client gets them.

What differs from run to run (ids, times, how many chunks a text came in) is made the same before; all else is compared
byte for byte. After a change
that is meant, write them anew, and read the diff before it is committed:

    GOLDEN=write python -m pytest tests/gateway/test_golden.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtest.engine.script import Script, script_text
from tests.gateway.asking import messages
from tests.gateway.transcripts import together
from tests.support.gateway import Gateway

GOLDEN = Path(__file__).with_name("golden")
WRITING = os.environ.get("GOLDEN") == "write"

CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "北京"}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>'
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in ("get_weather", "get_time")
]
NAMED = {"type": "function", "function": {"name": "get_weather"}}
USAGE = {"stream_options": {"include_usage": True}}
THOUGHT = "<think>\nHm, 2+2.\n</think>\n\nIt is 4."
BROKEN = {"error_after": 3, "delay_ms": 50, "error": "the engine broke"}


def chat(text: str, script: dict[str, Any] | None = None, **fields: Any) -> tuple[str, dict[str, Any]]:
    asked = messages(Script(text=text, **(script or {})))
    return "/v1/chat/completions", {"model": "direct", "messages": asked, **fields}


def completion(text: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return "/v1/completions", {"model": "direct", "prompt": script_text(Script(text=text)), **fields}


def response(text: str, script: dict[str, Any] | None = None, **fields: Any) -> tuple[str, dict[str, Any]]:
    return "/v1/responses", {"model": "direct", "input": script_text(Script(text=text, **(script or {}))), **fields}


def message(text: str, script: dict[str, Any] | None = None, **fields: Any) -> tuple[str, dict[str, Any]]:
    asked = messages(Script(text=text, **(script or {})))
    return "/v1/messages", {"model": "direct", "max_tokens": 100, "messages": asked, **fields}


TRANSCRIPTS = {
    "chat-plain": chat("Hello, 世界 😀!"),
    "chat-usage": chat("one two", **USAGE),
    "chat-continuous-usage": chat("one two", stream_options={"include_usage": True, "continuous_usage_stats": True}),
    "chat-length": chat("one two ", {"repeat": True}, max_tokens=3, **USAGE),
    "chat-stop": chat("one STOP two", stop=["STOP"]),
    "chat-stop-included": chat("one STOP two", stop=["STOP"], include_stop_str_in_output=True),
    "chat-two-choices": chat("one two", n=2, **USAGE),
    "chat-logprobs": chat("好 聪", logprobs=True),
    "chat-reasoning": chat(THOUGHT, model="thinker", **USAGE),
    "chat-reasoning-cut": chat(THOUGHT, model="thinker", max_tokens=4),
    "chat-reasoning-off": chat("It is 4.", model="thinker", chat_template_kwargs={"enable_thinking": False}),
    "chat-call": chat(f"Let me see.\n{CALL}", tools=TOOLS),
    "chat-two-calls": chat(f"{CALL}\n{OTHER}", tools=TOOLS, **USAGE),
    "chat-one-call-of-two": chat(f"{CALL}\n{OTHER}", tools=TOOLS, parallel_tool_calls=False),
    "chat-named-call": chat(CALL, tools=TOOLS, tool_choice=NAMED),
    "chat-malformed-call": chat('<tool_call>\n{"nam\n</tool_call>', tools=TOOLS),
    "chat-cut-call": chat(CALL, tools=TOOLS, max_tokens=12),
    "chat-reasoning-and-call": chat(f"<think>\nHm.\n</think>\n\n{CALL}", model="thinker", tools=TOOLS),
    "chat-error": chat("one two three four", BROKEN),
    "completion-plain": completion("Hello, 世界!", **USAGE),
    "completion-echo": completion("two", echo=True),
    "completion-logprobs": completion("好 two", logprobs=0),
    "response-plain": response("Hello, 世界!"),
    "response-length": response("one two ", {"repeat": True}, max_output_tokens=16),
    "response-reasoning": response(THOUGHT, model="thinker"),
    "response-call": response(CALL, tools=[{"type": "function", "name": "get_weather", "parameters": PARAMETERS}]),
    "response-error": response("one two three four", BROKEN),
    "message-plain": message("Hello, 世界!"),
    "message-stop": message("one STOP two", stop_sequences=["STOP"]),
    "message-thinking": message(
        THOUGHT, model="thinker", thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=1100
    ),
    "message-call": message(f"Let me see.\n{CALL}", tools=[{"name": "get_weather", "input_schema": PARAMETERS}]),
    "message-error": message("one two three four", BROKEN),
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_the_bytes_of_a_stream(featured: Gateway, name: str) -> None:
    path, body = TRANSCRIPTS[name]
    reply = httpx.post(f"{featured.url}{path}", json={**body, "stream": True}, timeout=30)
    assert reply.status_code == 200, reply.text
    got = normalised(reply.content)
    if body.get("n"):
        got = by_choice(got)
    got = together(got)
    file = GOLDEN / f"{name}.sse"
    if WRITING:
        file.write_bytes(got)
    assert got.decode() == file.read_bytes().decode()


def test_every_transcript_is_somebody_s() -> None:
    assert {file.stem for file in GOLDEN.glob("*.sse")} == set(TRANSCRIPTS)


def test_nobody_writes_where_it_is_checked() -> None:
    assert not (WRITING and os.environ.get("CI") == "true")


def normalised(stream: bytes) -> bytes:
    """Ids numbered as they appear, times zero; the comments of an idle connection out."""
    ids: dict[bytes, int] = {}

    def numbered(match: re.Match[bytes]) -> bytes:
        number = ids.setdefault(match[0], sum(1 for known in ids if known.startswith(match[1])) + 1)
        return match[1] + str(number).encode()

    stream = re.sub(rb"(?m)^:.*\n\n", b"", stream)
    stream = re.sub(rb'"(created|created_at|completed_at)":[0-9.]+', rb'"\1":0', stream)
    return re.sub(rb"\b((?:chatcmpl-|cmpl-|call_|resp_|msg_|rs_|fc_|toolu_|req_))[0-9a-zA-Z]{16,}", numbered, stream)


def by_choice(stream: bytes) -> bytes:
    """Choices come interleaved as their tokens do; here one after another."""
    frames = stream.split(b"\n\n")
    order = [re.search(rb'"choices":\[\{"index":(\d+)', frame) for frame in frames]
    ranked = sorted(range(len(frames)), key=lambda at: (1, 0) if order[at] is None else (0, int(order[at][1])))  # type: ignore[index]
    return b"\n\n".join(frames[at] for at in ranked)
