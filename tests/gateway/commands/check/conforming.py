"""A server that does all that clients rely on, with a model that counts: what a wrong one is made of, by one change.

It knows OpenAI's API as the checks' descriptions say it. It must not know the checks' code.
"""

from __future__ import annotations

import base64
import itertools
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.gateway.commands.servers import Connection, Request

KEY = "sk-the-right-key"
MODEL = "counter"
IDS = itertools.count()
THOUGHT = "They want numbers."
WORDS = [f"{number} " for number in range(1, 41)]


@dataclass
class Said:
    """A reply before it is bytes. ``events``: payloads, or events as text or bytes; None: it is no stream."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    events: list[Any] | None = None
    broken: bool = False
    raw: bytes | None = None

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """Those events that are chunks, to be changed in place."""
        return [event for event in self.events or [] if isinstance(event, dict) and "choices" in event]

    @property
    def deltas(self) -> list[dict[str, Any]]:
        return [choice["delta"] for chunk in self.chunks for choice in chunk["choices"] if "delta" in choice]

    @property
    def choice(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["choices"][0]
        return found

    @property
    def choices(self) -> list[dict[str, Any]]:
        """Of a chat, or of the chunks of a stream."""
        return [self.choice] if self.chat else [choice for chunk in self.chunks for choice in chunk["choices"]]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """A chat's message, or the deltas of a stream."""
        return [choice["message" if self.chat else "delta"] for choice in self.choices if "text" not in choice]

    def refuse(self, status: int, message: str = "It failed.") -> None:
        """Becomes an error in the right form."""
        self.body, self.status, self.events = error(status, message).body, status, None
        self.headers["content-type"] = "application/json"

    @property
    def chat(self) -> bool:
        """Whether it is a chat that was answered whole."""
        return isinstance(self.body, dict) and self.body.get("object") == "chat.completion"


Change = Callable[[Request, Said], "Said | None"]  # None: no reply at all


def answering(change: Change) -> Callable[[Request, Connection], None]:
    """What ``serving`` needs."""

    def answer(request: Request, connection: Connection) -> None:
        said = change(request, conform(request))
        if said is None:
            connection.hang()
            return
        headers = {name.replace("-", "_"): value for name, value in said.headers.items() if name != "content-type"}
        kind = said.headers["content-type"]
        if said.events is None:
            body = json.dumps(said.body).encode() if said.raw is None else said.raw
            connection.reply(body, status=said.status, type=kind, **headers)
        else:
            frames = b"".join(_frame(event) for event in said.events)
            connection.stream(frames, whole=not said.broken, **headers)

    return answer


def _frame(event: Any) -> bytes:
    if isinstance(event, bytes):
        return event
    return f"{event if isinstance(event, str) else 'data: ' + json.dumps(event)}\n\n".encode()


def conform(request: Request) -> Said:
    """The right reply."""
    said = _routed(request)
    said.headers |= {"x-request-id": f"req_{next(IDS)}", "openai-processing-ms": "3"}
    if said.events is None:
        said.headers["content-type"] = "application/json"
    else:
        said.headers |= {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
    for kind in ("requests", "tokens"):
        said.headers |= {f"x-ratelimit-{name}-{kind}": "9" for name in ("limit", "remaining", "reset")}
    return said


def error(status: int, message: str, code: str | None = None) -> Said:
    return Said({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}, status)


def _routed(request: Request) -> Said:
    card = {"id": MODEL, "object": "model", "created": 1_700_000_000, "owned_by": "tests"}
    path = request.target.removeprefix("/v1")
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return error(401, "The key is wrong.", "invalid_api_key")
    if (request.method, path) == ("GET", "/models"):
        return Said({"object": "list", "data": [card]})
    if (request.method, path) == ("GET", f"/models/{MODEL}"):
        return Said(card)
    if path.startswith("/models/"):
        return error(404, "There is no such model.", "model_not_found")
    routes = {"/chat/completions": _chat, "/completions": _completion, "/embeddings": _embeddings}
    if path not in routes:
        return error(404, "There is no such path.")
    try:
        body = request.json
    except ValueError:
        return error(400, "The body is no JSON.")
    if body.get("model") != MODEL:
        return error(404, "There is no such model.", "model_not_found")
    return routes[path](body)


def _chat(body: dict[str, Any]) -> Said:
    if "messages" not in body or not isinstance(body.get("temperature", 0), int | float):
        return error(400, "That cannot be.")
    head = {"id": f"chatcmpl-{next(IDS)}", "created": 1_700_000_000, "model": MODEL, "system_fingerprint": "one"}
    choice = body.get("tool_choice", "auto")
    calls = bool(body.get("tools")) and choice != "none" and body["messages"][-1]["role"] != "tool"
    pieces, reason = _text(body)
    usage = _usage(len(pieces))
    if body.get("response_format", {}).get("type", "text") != "text":
        pieces, reason = ['{"name": "web",', ' "port": 80}'], "stop"
    if calls:
        reason = "stop" if isinstance(choice, dict) else "tool_calls"
    if not body.get("stream"):
        message = {"role": "assistant", "content": None, "refusal": None, "reasoning_content": THOUGHT}
        message |= {"tool_calls": [_call()]} if calls else {"content": "".join(pieces)}
        one = {
            "message": message,
            "logprobs": _logprobs(pieces) if body.get("logprobs") else None,
            "finish_reason": reason,
        }
        several = [{"index": index, **one} for index in range(body.get("n", 1))]
        return Said({**head, "object": "chat.completion", "choices": several, "usage": usage})
    counted = body.get("stream_options", {}).get("include_usage")
    events: list[Any] = []

    def say(delta: dict[str, Any], reason: str | None = None, logprobs: Any = None) -> None:
        part = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        chunk = {**head, "object": "chat.completion.chunk", "choices": [part]}
        events.append(chunk | {"usage": None} if counted else chunk)

    say({"role": "assistant", "content": ""})
    say({"reasoning_content": THOUGHT})
    if calls:
        call = _call()
        arguments = call["function"].pop("arguments")
        say({"tool_calls": [{"index": 0, **call, "function": {**call["function"], "arguments": ""}}]})
        say({"tool_calls": [{"index": 0, "function": {"arguments": arguments[:4]}}]})
        say({"tool_calls": [{"index": 0, "function": {"arguments": arguments[4:]}}]})
    else:
        for piece in pieces:
            say({"content": piece}, logprobs=_logprobs([piece]) if body.get("logprobs") else None)
    say({}, reason)
    if counted:
        events.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return Said(events=[": a comment", *events, "data: [DONE]"])


def _completion(body: dict[str, Any]) -> Said:
    pieces, reason = _text(body)
    head = {"id": f"cmpl-{next(IDS)}", "object": "text_completion", "created": 1_700_000_000, "model": MODEL}
    prompts = len(body["prompt"]) if isinstance(body["prompt"], list) else 1
    logprobs = None
    if body.get("logprobs") is not None:
        logprobs = {"tokens": pieces, "token_logprobs": [-1.0] * len(pieces), "top_logprobs": None}
        logprobs["text_offset"] = list(range(len(pieces)))
    if body.get("stream"):
        parts = [(piece, None) for piece in pieces] + [("", reason)]
        events = [
            {**head, "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": why}]}
            for text, why in parts
        ]
        return Said(events=[*events, "data: [DONE]"])
    one = {"text": "".join(pieces), "logprobs": logprobs, "finish_reason": reason}
    choices = [{"index": index, **one} for index in range(prompts)]
    return Said({**head, "choices": choices, "usage": _usage(len(pieces))})


def _embeddings(body: dict[str, Any]) -> Said:
    vector: Any = [0.5, 0.5]
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<2f", *vector)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(body["input"]))]
    return Said({"object": "list", "data": data, "model": MODEL, "usage": {"prompt_tokens": 3, "total_tokens": 3}})


def _text(body: dict[str, Any]) -> tuple[list[str], str]:
    """Tokens, and why there are no more."""
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or 1000
    stops = body.get("stop") or []
    pieces = WORDS[:limit]
    for stop in [stops] if isinstance(stops, str) else stops:
        text = "".join(pieces)
        if stop in text:
            return [text[: text.index(stop)]], "stop"
    return pieces, "length" if limit < len(WORDS) else "stop"


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}


def _call() -> dict[str, Any]:
    return {
        "id": f"call_{next(IDS)}",
        "type": "function",
        "function": {"name": "get_time", "arguments": '{"city": "Tokyo"}'},
    }


def _logprobs(pieces: list[str]) -> dict[str, Any]:
    entries = [{"token": each, "logprob": -1.0, "bytes": list(each.encode()), "top_logprobs": []} for each in pieces]
    return {"content": entries, "refusal": None}
