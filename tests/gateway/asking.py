"""Ways to ask a gateway, from the OpenAI SDK down to a bare socket."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from loadtest.engine.script import Script, script_text
from tests.support.gateway import Gateway

PATIENCE_SECONDS = 30


def messages(script: Script | str) -> list[dict[str, str]]:
    return [{"role": "user", "content": script if isinstance(script, str) else script_text(script)}]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a chat gave, whether it was streamed or not."""

    text: str
    reason: str
    usage: dict[str, int]


def ask(gateway: Gateway, script: Script | str, *, model: str = "direct", stream: bool = True, **fields: Any) -> Answer:
    """One chat over plain HTTP. AssertionError with the body where the status is not 200."""
    body: dict[str, Any] = {"model": model, "messages": messages(script), "stream": stream, **fields}
    if stream:
        body["stream_options"] = {"include_usage": True}
    reply = httpx.post(f"{gateway.api}/chat/completions", json=body, timeout=PATIENCE_SECONDS)
    assert reply.status_code == 200, reply.text
    if not stream:
        whole = reply.json()
        choice = whole["choices"][0]
        return Answer(choice["message"]["content"], choice["finish_reason"], whole["usage"])
    chunks = events(reply.text)
    assert chunks.pop() == "[DONE]"
    usage = chunks.pop()["usage"]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    return Answer(text, chunks[-1]["choices"][0]["finish_reason"], usage)


def events(text: str) -> list[Any]:
    """The payloads of an SSE body; comments are left out."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    payloads = [block.removeprefix("data: ") for block in blocks]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]


class RawClient:
    """One request on a bare socket, which can be closed at any moment."""

    def __init__(
        self,
        gateway: Gateway,
        body: dict[str, Any],
        *,
        declared_length: int | None = None,
        path: str = "/v1/chat/completions",
    ) -> None:
        address = urlsplit(gateway.url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS)
        payload = json.dumps(body).encode()
        length = declared_length or len(payload)
        head = f"POST {path} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-length: {length}\r\n\r\n"
        self._socket.sendall(head.encode() + payload)

    def read_until(self, mark: bytes) -> bytes:
        """What came, up to and a little past the mark."""
        data = b""
        while mark not in data:
            more = self._socket.recv(4096)
            assert more, f"closed before {mark!r}: {data!r}"
            data += more
        return data

    def read_to_end(self, mark: bytes | None = None) -> bytes:
        """All that comes until the gateway closes the connection, or until the mark; then the client leaves."""
        data = b""
        with self._socket:
            while (mark is None or mark not in data) and (more := self._socket.recv(65536)):
                data += more
        return data

    @property
    def socket(self) -> socket.socket:
        return self._socket

    def leave(self) -> None:
        self._socket.close()
