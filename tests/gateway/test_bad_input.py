"""Hostile bodies: each costs less than a second of work, errors have OpenAI's shape, and the process is unharmed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.support.gateway import Gateway

LIMIT = 1.0  # seconds of work for one body
# MiB that all of it may leave behind: the allocator keeps pages of the largest bodies. Measured: 100 to 210, reached in
# the first round and never passed in five more; a leak of a body of 10 MiB would be ten times that.
MEMORY = 400
MiB = 2**20

CHAT: dict[str, Any] = {"model": "direct", "messages": messages(Script(text="ok"))}
ENDPOINTS = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"model": "direct", "prompt": "x"},
    "/v1/chat/completions/render": CHAT,
    "/tokenize": {"model": "direct", "prompt": "x"},
    "/detokenize": {"model": "direct", "tokens": [1]},
    "/v1/embeddings": {"model": "direct", "input": "x"},
    "/v1/responses": {"model": "direct", "input": "x"},
    "/v1/messages": {"model": "direct", "max_tokens": 5, "messages": CHAT["messages"]},
    "/v1/messages/count_tokens": {"model": "direct", "messages": CHAT["messages"]},
}


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


# What is wrong whatever the endpoint is.
BROKEN = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"messages"',
    "number": b"1",
    "half": b'{"model": "direct", "messages": [{"role"',
    "two-objects": b"{}{}",
    "not-utf-8": b'{"model": "\xff\xfe", "messages": []}',
    "utf-16": '{"model": "direct"}'.encode("utf-16"),
    "nul": b"\x00" * 100,
    "lone-surrogate": rb'{"model": "\ud800"}',
    "deep-lists": nested(100_000),
    "deep-objects": nested(100_000, '{"a":', "}"),
    "deep-and-open": b"[" * MiB,
    "a-long-number": b'{"model": "direct", "max_tokens": ' + b"9" * MiB + b"}",
    "form": b"model=direct&messages=x",
}


def with_field(name: str, value: Any, base: dict[str, Any] = CHAT) -> bytes:
    return json.dumps({**base, name: value}).encode()


def with_raw(name: str, value: bytes, base: dict[str, Any] = CHAT) -> bytes:
    """A body with a value that Python's own json cannot write."""
    return json.dumps(base)[:-1].encode() + b', "' + name.encode() + b'": ' + value + b"}"


def said(content: Any) -> bytes:
    return with_field("messages", [{"role": "user", "content": content}])


def function(parameters: Any, **more: Any) -> list[Any]:
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}, **more}]


def schema(value: Any) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": value}}


RECURSIVE = {"type": "object", "properties": {"child": {"$ref": "#"}}}
BOMB: dict[str, Any] = {"$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 10} for n in range(30)}}
# Name → the body, the statuses it may get, and the param that the error must name (None: whatever fits).
CHATS: dict[str, tuple[bytes, set[int], str | None]] = {
    "10-mb-of-text": (said("word " * (2 * MiB)), {400}, "messages"),
    "10-mb-without-a-space": (said("a" * (10 * MiB)), {400}, "messages"),
    "5-mb-of-newlines": (said("\n" * (5 * MiB)), {400}, "messages"),
    "10-mb-of-emoji": (said("😀" * (10 * MiB // 12)), {400}, "messages"),
    "10-mb-of-one-stop-string": (with_field("stop", "x" * (10 * MiB)), {400}, "stop"),
    "10-mb-of-a-model-s-name": (with_field("model", "x" * (10 * MiB)), {404}, "model"),
    "10-mb-of-unknown-fields": (
        json.dumps({**CHAT, **{f"field-{n}": n for n in range(300_000)}}).encode(),
        {200, 400},
        None,
    ),
    "10-mb-of-metadata": (with_field("metadata", {str(n): "x" * 100 for n in range(80_000)}), {200, 400}, None),
    "17-mb": (said("a" * (17 * MiB)), {413}, None),
    "10000-messages": (with_field("messages", [{"role": "user", "content": "hello"}] * 10_000), {400}, "messages"),
    "100000-messages": (with_field("messages", [{"role": "user", "content": "x"}] * 100_000), {400}, "messages"),
    "100000-parts": (said([{"type": "text", "text": "x"}] * 100_000), {400}, None),
    "100000-empty-parts": (said([{"type": "text", "text": ""}] * 100_000), {200, 400}, None),
    "no-messages": (with_field("messages", []), {400}, "messages"),
    "messages-of-null": (with_field("messages", None), {400}, "messages"),
    "message-of-text": (with_field("messages", ["hi"]), {400}, None),
    "unknown-role": (with_field("messages", [{"role": "king", "content": "x"}]), {400}, None),
    "a-tool-s-answer-to-nothing": (with_field("messages", [{"role": "tool", "content": "x"}]), {200, 400}, None),
    "infinity": (with_raw("temperature", b"1e400"), {400}, "temperature"),
    "nan": (with_raw("temperature", b"NaN"), {400}, None),
    "temperature-as-text": (with_field("temperature", "1"), {400}, "temperature"),
    "max-tokens-of-2-to-63": (with_field("max_tokens", 2**63), {200, 400}, None),
    "seed-of-2-to-64": (with_field("seed", 2**64), {400}, "seed"),
    "n-of-a-million": (with_field("n", 10**6), {400}, "n"),
    "top-k-beyond-int32": (with_field("top_k", 2**31), {400}, "top_k"),
    "a-million-stop-strings": (with_field("stop", ["x"] * 10**6), {400}, "stop"),
    "an-empty-stop-string": (with_field("stop", ""), {400}, "stop"),
    "bias-of-no-token": (with_field("logit_bias", {"x": 1}), {400}, "logit_bias"),
    "bias-of-a-long-number": (with_field("logit_bias", {"9" * 5000: 1}), {400}, "logit_bias"),
    "bias-of-100000": (with_field("logit_bias", {str(n): 1 for n in range(10**5)}), {400}, "logit_bias"),
    "bias-of-a-token-there-is-not": (with_field("logit_bias", {"2000000000": 1}), {400}, "logit_bias"),
    "recursive-schema": (with_field("response_format", schema(RECURSIVE)), {200, 400}, None),
    "schema-bomb": (with_field("response_format", schema(BOMB)), {200, 400}, None),
    "schema-without-end": (
        with_raw(
            "response_format", b'{"type":"json_schema","json_schema":{"schema":' + nested(5000, '{"a":', "}") + b"}}"
        ),
        {400},
        None,
    ),
    "schema-of-text": (with_field("response_format", schema("x")), {400}, None),
    "no-schema": (with_field("response_format", {"type": "json_schema"}), {400}, None),
    # Whether it compiles, the engine says; this one takes anything.
    "a-regex-that-does-not-compile": (with_field("guided_regex", "(["), {200, 400}, "guided_regex"),
    "a-grammar-that-does-not-parse": (with_field("guided_grammar", "root ::= ("), {200, 400}, "guided_grammar"),
    "no-choices": (with_field("guided_choice", []), {400}, "guided_choice"),
    "a-catastrophic-regex": (with_field("guided_regex", "(a+)+" * 50), {200, 400}, None),
    "recursive-tool": (with_field("tools", function(RECURSIVE)), {200, 400}, None),
    "deep-tool": (
        with_raw(
            "tools", b'[{"type":"function","function":{"name":"f","parameters":' + nested(900, '{"a":', "}") + b"}}]"
        ),
        {200, 400},
        None,
    ),
    "a-tool-with-a-long-number": (
        with_raw("tools", b'[{"type":"function","function":{"name":"f","parameters":{"a":' + b"9" * 5000 + b"}}}]"),
        {200, 400},
        None,
    ),
    "a-tool-with-infinity": (
        with_raw("tools", b'[{"type":"function","function":{"name":"f","parameters":{"a":1e999}}}]'),
        {200, 400},
        None,
    ),
    "10000-tools": (with_field("tools", function({}) * 10_000), {400}, "tools"),
    "a-tool-without-a-name": (with_field("tools", [{"type": "function", "function": {}}]), {400}, None),
    "a-choice-of-no-tool": (
        json.dumps(
            {**CHAT, "tools": function({}), "tool_choice": {"type": "function", "function": {"name": "g"}}}
        ).encode(),
        {400},
        "tool_choice",
    ),
    "arguments-that-are-no-json": (
        with_field(
            "messages",
            [
                *CHAT["messages"],
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "x"},
            ],
        ),
        {200, 400},
        None,
    ),
    "deep-arguments": (
        with_field(
            "messages",
            [
                *CHAT["messages"],
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "c", "type": "function", "function": {"name": "f", "arguments": nested(50_000).decode()}}
                    ],
                },
            ],
        ),
        {200, 400},
        None,
    ),
    "template-variables": (with_field("chat_template_kwargs", {"messages": [], "tools": "x"}), {200, 400}, None),
    "a-template-option-of-depth": (
        with_raw("chat_template_kwargs", b'{"enable_thinking":' + nested(900) + b"}"),
        {200, 400},
        None,
    ),
    "stream-options-of-text": (with_field("stream_options", "x"), {400}, "stream_options"),
    "header-injection": (with_field("a\r\nset-cookie: x=1", 1), {200, 400}, None),
    "an-unknown-field-in-chinese": (with_field("你好😀", 1), {200, 400}, None),
}
COMPLETIONS: dict[str, tuple[bytes, set[int], str | None]] = {
    "10-mb-of-text": (with_field("prompt", "word " * (2 * MiB), {"model": "direct"}), {400}, "prompt"),
    "a-million-prompts": (with_field("prompt", ["x"] * 10**6, {"model": "direct"}), {400}, "prompt"),
    "a-million-ids": (with_field("prompt", [1] * 10**6, {"model": "direct"}), {400}, "prompt"),
    "an-id-there-is-not": (with_field("prompt", [10**6], {"model": "direct"}), {400}, "prompt"),
    "a-negative-id": (with_field("prompt", [-1], {"model": "direct"}), {400}, "prompt"),
    "ids-and-texts": (with_field("prompt", [1, "x"], {"model": "direct"}), {400}, "prompt"),
    "nothing": (with_field("prompt", [], {"model": "direct"}), {400}, "prompt"),
    "an-empty-text": (with_field("prompt", "", {"model": "direct"}), {200, 400}, None),
    "a-suffix": (with_raw("suffix", b'"x"', {"model": "direct", "prompt": "x"}), {400}, "suffix"),
}


@pytest.fixture(scope="module", autouse=True)
def unharmed(scripted: Gateway) -> Iterator[None]:
    """The process that answers in the end is the one that began, and has not grown."""
    before = resident(scripted.process.pid)
    yield
    assert scripted.process.poll() is None
    assert httpx.get(f"{scripted.url}/healthz", timeout=5).status_code == 200
    assert resident(scripted.process.pid) - before < MEMORY * MiB
    assert "Traceback" not in scripted.log.read_text("utf-8", errors="replace")


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process. Other processes on this machine do not change it, as they do a clock's time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def refuse(gateway: Gateway, path: str, body: bytes, statuses: set[int], param: str | None) -> None:
    before = cpu_seconds(gateway.process.pid)
    headers = {"content-type": "application/json"}
    reply = httpx.post(f"{gateway.url}{path}", content=body, headers=headers, timeout=60)
    took = cpu_seconds(gateway.process.pid) - before
    assert reply.status_code in statuses, reply.text[:500]
    if reply.status_code != 200:
        error = reply.json()["error"]
        assert len(error["message"]) < 2000, "the message repeats what was sent"
        if param is not None:
            assert (error["param"] or "").startswith(param), error
    assert took < LIMIT, f"{took:.2f} s of work for it"


def table(rows: dict[str, tuple[bytes, set[int], str | None]]) -> Callable[[Any], Any]:
    return pytest.mark.parametrize(("body", "statuses", "param"), rows.values(), ids=rows)


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_body_that_no_endpoint_takes(scripted: Gateway, path: str, body: bytes) -> None:
    refuse(scripted, path, body, {400}, None)


@table(CHATS)
def test_a_hostile_chat(scripted: Gateway, body: bytes, statuses: set[int], param: str | None) -> None:
    refuse(scripted, "/v1/chat/completions", body, statuses, param)


@table(COMPLETIONS)
def test_a_hostile_completion(scripted: Gateway, body: bytes, statuses: set[int], param: str | None) -> None:
    refuse(scripted, "/v1/completions", body, statuses, param)


LONG = "word " * (2 * MiB)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/chat/completions/render", {"messages": [{"role": "user", "content": LONG}]}),
        ("/tokenize", {"prompt": LONG}),
        ("/detokenize", {"tokens": [1] * 2_000_000}),
        ("/v1/embeddings", {"input": LONG}),
        ("/v1/responses", {"input": LONG}),
        ("/v1/messages", {"messages": [{"role": "user", "content": LONG}]}),
        ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": LONG}]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "10-mb",
)
def test_10_mb_elsewhere(scripted: Gateway, path: str, fields: dict[str, Any]) -> None:
    """Those that count tokens may count these too, but nobody may be kept waiting."""
    refuse(scripted, path, json.dumps({**ENDPOINTS[path], **fields}).encode(), {200, 400, 404}, None)
