"""One request on a connection of its own, read event by event, which may be left at any moment."""

from __future__ import annotations

import functools
import http.client
import json
import socket
import ssl
import struct
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tokenizers import Tokenizer

from loadtest.ask import CHAT, chat
from loadtest.engine.script import Script, script_text
from loadtest.engine_repository import SEEDLING
from loadtest.faults.stage import LETTERS

PATIENCE_SECONDS = 20.0
DONE = "[DONE]"
KEY = "key-without-limits-0123456789abcdef"  # of every request that brings none of its own


def scripted(tag: str, **script: Any) -> bytes:
    """The body of a streamed chat whose answer is the letters, each a token."""
    return chat("scripted", script_text(Script(tag=tag, ids=_letters(), **script)))


def whole(tag: str, **script: Any) -> bytes:
    """The same, answered at once."""
    return chat("scripted", script_text(Script(tag=tag, ids=_letters(), **script)), stream=False)


@functools.cache
def _letters() -> list[int]:
    tokenizer = Tokenizer.from_file(str(SEEDLING / "tokenizer.json"))
    return [id for letter in LETTERS for id in tokenizer.encode(letter, add_special_tokens=False).ids]


class Asked:
    """A request that was sent."""

    def __init__(
        self,
        url: str,
        body: bytes,
        *,
        path: str = CHAT,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        patience: float = PATIENCE_SECONDS,
        keep: bool = False,
    ) -> None:
        """``keep``: the connection, for another request; it is closed with the first answer otherwise."""
        address = urlsplit(url)
        assert address.hostname is not None
        host, port = address.hostname, address.port
        if tls is None:
            self._connection = http.client.HTTPConnection(host, port, timeout=patience)
        else:
            self._connection = http.client.HTTPSConnection(host, port, timeout=patience, context=tls)
        self._reply: http.client.HTTPResponse | None = None
        self._keep = keep
        self._request = method, path
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}", **(headers or {})}
        self.again(body)

    def again(self, body: bytes) -> None:
        """Another request on the same connection; the reply to the one before must have been read."""
        self._reply = None
        self._connection.request(*self._request, body, self._headers)

    @property
    def reply(self) -> http.client.HTTPResponse:
        """The head, waited for; the body is read by whoever asks."""
        if self._reply is None:
            self._reply = self._connection.getresponse()
        return self._reply

    @property
    def status(self) -> int:
        return self.reply.status

    def body(self) -> bytes:
        """All of it."""
        try:
            return self.reply.read()
        finally:
            self._over()

    def event(self) -> Any:
        """The next one: its JSON, or ``[DONE]``. An AssertionError where the stream ends instead."""
        while True:
            line = self.reply.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                payload = line[len(b"data: ") :].decode().strip()
                return payload if payload == DONE else json.loads(payload)

    def events(self) -> list[Any]:
        """All to the end of the stream, which must be [DONE]."""
        assert self.status == 200, self.body()
        found = [self.event()]
        while found[-1] != DONE:
            found.append(self.event())
        assert self.reply.read().strip() == b""
        self._over()
        return found

    def _over(self) -> None:
        if not self._keep:
            self._connection.close()

    def text(self, length: int) -> str:
        """The next so many characters of the answer, as soon as they are there."""
        assert self.status == 200, self.body()
        text = ""
        while len(text) < length:
            text += piece(self.event())
        return text

    def leave(self) -> None:
        """The client is gone: a reset, as from a process that was killed."""
        sock = self._connection.sock
        if sock is None:  # http.client leaves the socket to a reply that closes it
            assert self._reply is not None
            sock = self._reply.fp.raw._sock  # type: ignore[attr-defined]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self._reply is not None:
            self._reply.close()
        self._connection.close()

    def close(self) -> None:
        """The client says goodbye."""
        if self._reply is not None:
            self._reply.close()
        self._connection.close()


def piece(event: Any) -> str:
    """What a chunk adds to the answer."""
    assert "error" not in event, event
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def answer(events: list[Any]) -> str:
    """The whole text of a stream."""
    return "".join(piece(event) for event in events if event != DONE)


def text_of(asked: Asked) -> str:
    """The whole answer, streamed or not."""
    if asked.reply.getheader("content-type", "").startswith("text/event-stream"):
        return answer(asked.events())
    body = json.loads(asked.body())
    assert asked.status == 200, body
    return str(body["choices"][0]["message"]["content"])
