"""The judge of replies can say no: each rule has a reply that breaks it, and only it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.support.replies import Exchange, check

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"


def chunk(delta: dict[str, Any], reason: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**HEAD, "choices": [choice], **more}


def call(index: int, arguments: str, **first: Any) -> dict[str, Any]:
    named = {"id": first["id"], "type": "function"} if first else {}
    function = {"name": first["name"], "arguments": arguments} if first else {"arguments": arguments}
    return {"tool_calls": [{"index": index, **named, "function": function}]}


def sse(payloads: list[Any], *, named: bool = False) -> bytes:
    frames = []
    for payload in payloads:
        name = f"event: {payload['type']}\n" if named else ""
        data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
        frames.append(f"{name}data: {data}\n\n")
    return "".join(frames).encode()


def judge(path: str, body: bytes, *, status: int = 200, kind: str = JSON, method: str = "POST", **asked: Any) -> None:
    headers = {"x-request-id": "r", "content-type": kind}
    check(Exchange(method, path, json.dumps(asked).encode(), status, headers, body))


def chat(payloads: list[Any], **asked: Any) -> None:
    judge("/v1/chat/completions", sse(payloads), kind=SSE, stream=True, **asked)


ROLE = chunk({"role": "assistant", "content": ""})
HI = chunk({"content": "hi"})
END = chunk({}, "stop")
NULL = {"usage": None}
COUNTS = {**HEAD, "choices": [], "usage": USAGE}
CALL = chunk(call(0, "", id="call_1", name="f"))
ERROR = {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}
WITH_USAGE = {"stream_options": {"include_usage": True}}

GOOD_STREAMS = {
    "plain": ([ROLE, HI, END, "[DONE]"], {}),
    "usage": ([{**ROLE, **NULL}, {**HI, **NULL}, {**END, **NULL}, COUNTS, "[DONE]"], WITH_USAGE),
    "two": ([ROLE, chunk({"role": "assistant"}, index=1), HI, chunk({}, "length", 1), END, "[DONE]"], {"n": 2}),
    "reasoning": ([ROLE, chunk({"reasoning_content": "hm"}), HI, END, "[DONE]"], {}),
    "calls": (
        [
            ROLE,
            CALL,
            chunk(call(0, "{}")),
            chunk(call(1, "{}", id="call_2", name="g")),
            chunk({}, "tool_calls"),
            "[DONE]",
        ],
        {},
    ),
    "error": ([ROLE, HI, ERROR, "[DONE]"], {}),
}
BAD_STREAMS = {
    "no-done": ([ROLE, HI, END], {}, r"\[DONE\]"),
    "after-done": ([ROLE, END, "[DONE]", HI, "[DONE]"], {}, r"\[DONE\] is not the last"),
    "no-finish": ([ROLE, HI, "[DONE]"], {}, "no finish_reason"),
    "two-finishes": ([ROLE, END, END, "[DONE]"], {}, "goes on after"),
    "text-after-finish": ([ROLE, END, HI, "[DONE]"], {}, "goes on after"),
    "no-role": ([HI, END, "[DONE]"], {}, "role"),
    "role-twice": ([ROLE, ROLE, END, "[DONE]"], {}, "role"),
    "empty-delta": ([ROLE, chunk({}), END, "[DONE]"], {}, "says nothing"),
    "other-id": ([ROLE, {**HI, "id": "chatcmpl-2"}, END, "[DONE]"], {}, "head of the chunks"),
    "other-model": ([ROLE, {**END, "model": "n"}, "[DONE]"], {}, "head of the chunks"),
    "wrong-object": ([{**ROLE, "object": "chat.completion"}, "[DONE]"], {}, "chat.completion.chunk"),
    "unknown-key": ([ROLE, chunk({"text": "x"}), END, "[DONE]"], {}, "Extra inputs"),
    "unknown-reason": ([ROLE, chunk({}, "eos"), "[DONE]"], {}, "finish_reason"),
    "no-choices": ([ROLE, END, {**HEAD, "usage": USAGE}, "[DONE]"], WITH_USAGE, "choices"),
    "usage-unasked": ([ROLE, END, COUNTS, "[DONE]"], {}, "not asked for"),
    "null-usage-unasked": ([{**ROLE, **NULL}, {**END, **NULL}, "[DONE]"], {}, "not asked for"),
    "usage-missing": ([{**ROLE, **NULL}, {**END, **NULL}, "[DONE]"], WITH_USAGE, "no usage chunk"),
    "no-null-usage": ([ROLE, {**END, **NULL}, COUNTS, "[DONE]"], WITH_USAGE, "asked for"),
    "one-of-two": ([ROLE, END, "[DONE]"], {"n": 2}, "2 choices"),
    "first-call-is-1": ([ROLE, chunk(call(1, "", id="c", name="f")), "[DONE]"], {}, "call 1 comes after"),
    "call-without-id": ([ROLE, chunk(call(0, "{}")), "[DONE]"], {}, "without an id"),
    "name-twice": ([ROLE, CALL, chunk(call(0, "x", id="call_1", name="f")), "[DONE]"], {}, "came twice"),
    "calls-back": (
        [ROLE, CALL, chunk(call(1, "", id="call_2", name="f")), chunk(call(0, "x")), "[DONE]"],
        {},
        "call 0 comes after",
    ),
    "one-id": ([ROLE, CALL, chunk(call(1, "", id="call_1", name="f")), "[DONE]"], {}, "of two calls"),
    "no-calls": ([ROLE, HI, chunk({}, "tool_calls"), "[DONE]"], {}, "there is no call"),
    "error-then-more": ([ROLE, ERROR, END, "[DONE]"], {}, "not the end"),
    "flat-error": ([ROLE, {"error": "x"}, "[DONE]"], {}, "ErrorBody"),
    "short-error": ([ROLE, {"error": {"message": "m", "type": "server_error"}}, "[DONE]"], {}, "Field required"),
}


@pytest.mark.parametrize(("payloads", "asked"), GOOD_STREAMS.values(), ids=GOOD_STREAMS)
def test_a_good_chat_stream(payloads: list[Any], asked: dict[str, Any]) -> None:
    chat(payloads, **asked)


@pytest.mark.parametrize(("payloads", "asked", "message"), BAD_STREAMS.values(), ids=BAD_STREAMS)
def test_a_bad_chat_stream(payloads: list[Any], asked: dict[str, Any], message: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=message):
        chat(payloads, **asked)


FRAMES = {
    "an-event-name": b"event: message\ndata: {}\n\n",
    "two-data-lines": b"data: {\ndata: }\n\n",
    "a-retry": b"retry: 3000\n\n",
    "no-space": b"data:{}\n\n",
    "half": b'data: {"id":"chatcmpl-1"',
    "crlf": b"data: [DONE]\r\n\r\n",
}


@pytest.mark.parametrize("body", FRAMES.values(), ids=FRAMES)
def test_bad_frames(body: bytes) -> None:
    with pytest.raises(AssertionError):
        judge("/v1/chat/completions", body, kind=SSE, stream=True)


MESSAGE = {"role": "assistant", "content": "hi", "refusal": None}
CHAT = {
    **HEAD,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}],
    "usage": USAGE,
}
MODEL = {"id": "m", "object": "model", "created": 1, "owned_by": "us"}
TEXT = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "text": "hi", "logprobs": None, "finish_reason": "stop"}],
    "usage": USAGE,
}
VECTOR = {"object": "embedding", "index": 0, "embedding": [0.5]}
VECTORS = {"object": "list", "data": [VECTOR], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "model": "m",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "usage": {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    },
}
WHOLE = {
    "chat": ("POST", "/v1/chat/completions", CHAT),
    "completion": ("POST", "/v1/completions", TEXT),
    "embeddings": ("POST", "/v1/embeddings", VECTORS),
    "models": ("GET", "/v1/models", {"object": "list", "data": [MODEL]}),
    "model": ("GET", "/v1/models/a/b", MODEL),
    "response": ("POST", "/v1/responses", RESPONSE),
    "message": ("POST", "/v1/messages", CLAUDE),
    "count": ("POST", "/v1/messages/count_tokens", {"input_tokens": 3}),
}


@pytest.mark.parametrize(("method", "path", "body"), WHOLE.values(), ids=WHOLE)
def test_every_required_key_is_required_and_no_other_is_taken(method: str, path: str, body: dict[str, Any]) -> None:
    judge(path, json.dumps(body).encode(), method=method)
    for key in body:
        if key != "usage" or path == "/v1/messages":
            with pytest.raises(ValueError, match=f"{key}\n +Field required"):
                judge(path, json.dumps({k: v for k, v in body.items() if k != key}).encode(), method=method)
    with pytest.raises(ValueError, match="Extra inputs"):
        judge(path, json.dumps({**body, "surplus": 1}).encode(), method=method)


def broken(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of ``body`` with one value replaced; ``path`` is dotted."""
    body = copy.deepcopy(body)
    *way, last = path.split(".")
    place: Any = body
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return body


BAD_BODIES = {
    "content-of-nothing": (CHAT, "choices.0.message.content", None),
    "a-call-without-calls": (CHAT, "choices.0.finish_reason", "tool_calls"),
    "no-finish": (CHAT, "choices.0.finish_reason", None),
    "no-calls": (CHAT, "choices.0.message.tool_calls", []),
    "arguments-as-object": (
        CHAT,
        "choices.0.message.tool_calls",
        [{"id": "c", "type": "function", "function": {"name": "f", "arguments": {}}}],
    ),
    "index-1": (CHAT, "choices.0.index", 1),
    "sum": (CHAT, "usage.total_tokens", 4),
    "count-as-text": (CHAT, "usage.prompt_tokens", "1"),
    "float-created": (CHAT, "created", 1.5),
    "reasoning-null": (CHAT, "choices.0.message.reasoning_content", None),
    "positive-logprob": (
        CHAT,
        "choices.0.logprobs",
        {"content": [{"token": "a", "logprob": 1.0, "bytes": [97], "top_logprobs": []}], "refusal": None},
    ),
    "lengths": (
        TEXT,
        "choices.0.logprobs",
        {"tokens": ["a"], "token_logprobs": [], "top_logprobs": None, "text_offset": [0]},
    ),
    "chat-id-of-completion": (TEXT, "id", "chatcmpl-1"),
    "base64": (VECTORS, "data.0.embedding", "AAA="),
    "incomplete-without-why": (RESPONSE, "status", "incomplete"),
    "stop-sequence": (CLAUDE, "stop_reason", "stop_sequence"),
    "tool-use-without": (CLAUDE, "stop_reason", "tool_use"),
    "no-stop-reason": (CLAUDE, "stop_reason", None),
}
PATHS = {id(body): (method, path) for method, path, body in WHOLE.values()}


@pytest.mark.parametrize(("body", "place", "value"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body(body: dict[str, Any], place: str, value: Any) -> None:
    method, path = PATHS[id(body)]
    with pytest.raises((AssertionError, ValueError)):
        judge(path, json.dumps(broken(body, place, value)).encode(), method=method)


@pytest.mark.parametrize(
    ("path", "body", "good"),
    [
        ("/v1/chat/completions", ERROR, True),
        ("/v1/chat/completions", {"detail": "x"}, False),
        ("/v1/chat/completions", {"error": {**ERROR["error"], "code": 400}}, False),
        ("/v1/chat/completions", {"error": {**ERROR["error"], "type": "BadRequestError"}}, False),
        ("/v1/messages", {"type": "error", "error": {"type": "api_error", "message": "m"}}, True),
        ("/v1/messages", ERROR, False),
    ],
    ids=["openai", "detail", "numeric-code", "unknown-type", "anthropic", "openai-s-from-anthropic"],
)
def test_errors(path: str, body: dict[str, Any], good: bool) -> None:
    raw = json.dumps(body).encode()
    if good:
        judge(path, raw, status=400)
        return
    with pytest.raises(ValueError, match="ErrorBody"):
        judge(path, raw, status=400)


def test_a_path_that_nobody_wrote_a_rule_for() -> None:
    with pytest.raises(AssertionError, match="no object is known"):
        judge("/v1/unheard", b"{}")
