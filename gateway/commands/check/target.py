"""The server under check: asks it, each question once, and keeps what it said.

It knows the client and time. It must not know what is right.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from gateway.commands.check.exchange import Exchange
from gateway.commands.client.errors import ClientError, Late
from gateway.commands.client.events import EventReader
from gateway.commands.client.transport import BODY_LIMIT, Client

HELLO = "Say hello in one short sentence."
COUNT = "Count from 1 to 40, separated by spaces."
RETRIES = 2  # as the SDKs
PATIENCE = 60.0  # the longest retry-after that they obey


class Target:
    """``model`` answers the chats. ``sleep``: for servers that ask to wait."""

    def __init__(
        self,
        client: Client,
        model: str,
        *,
        embedding_models: tuple[str, ...] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model = model
        self.embedding_models = embedding_models
        self.asked: list[Exchange] = []
        self._client = client
        self._sleep = sleep
        self._known: dict[str, Exchange] = {}
        self._late: dict[str, str] = {}  # paths that once gave nothing in time

    @property
    def has_key(self) -> bool:
        return bool(self._client.key)

    def get(self, path: str) -> Exchange:
        return self.ask("GET", path)

    def card(self) -> Exchange:
        """The model's own card."""
        return self.ask("GET", f"/models/{quote(self.model, safe='/')}")

    def chat(self, text: str = HELLO, **fields: Any) -> Exchange:
        """A chat that is not streamed: greedy and short, unless ``fields`` say otherwise; None leaves one out."""
        return self.ask("POST", "/chat/completions", self._chat(text, fields))

    def stream(self, text: str = HELLO, **fields: Any) -> Exchange:
        return self.ask("POST", "/chat/completions", self._chat(text, fields) | {"stream": True})

    def completion(self, **fields: Any) -> Exchange:
        body = {"model": self.model, "prompt": "One two three four", "max_tokens": 8, "temperature": 0, **fields}
        return self.ask("POST", "/completions", body)

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Exchange:
        """What came back, from memory where the same was asked before."""
        written = body if isinstance(body, bytes) else json.dumps(body)
        known = f"{method} {path} {key} {written!r}"
        if known not in self._known:
            self._known[known] = self._asked(method, path, body, key)
        return self._known[known]

    def begin(self, text: str, *, events: int, **fields: Any) -> Exchange:
        """A stream that is left after so many events, where it has more."""
        return self._once("POST", "/chat/completions", self._chat(text, fields) | {"stream": True}, None, events)

    def _chat(self, text: str, fields: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": text}]}
        body |= {"max_tokens": 64, "temperature": 0, **fields}
        return {name: value for name, value in body.items() if value is not None}

    def _asked(self, method: str, path: str, body: Any, key: str | None) -> Exchange:
        for left in range(RETRIES, -1, -1):
            exchange = self._once(method, path, body, key)
            self.asked.append(exchange)
            wait = _wait(exchange)
            if wait is None or not left:
                break
            self._sleep(wait)
        return exchange

    def _once(self, method: str, path: str, body: Any, key: str | None, limit: float = float("inf")) -> Exchange:
        title = f"{method} {path}"
        if path in self._late:
            return Exchange(title, broken=f"not asked any more: {self._late[path]}")
        status, headers, read = 0, {}, bytearray()
        reader = EventReader()
        events = []
        broken = ""
        try:
            with self._client.send(method, path, body, key=key) as reply:
                status, headers = reply.status, reply.headers
                streamed = "event-stream" in headers.get("content-type", "")
                for piece in reply.pieces():
                    if streamed:
                        events += reader.push(piece)
                        if len(events) >= limit:
                            break
                    if len(read) < BODY_LIMIT:
                        read += piece
                    else:
                        broken = f"more than {BODY_LIMIT >> 20} MiB"
                        break
        except ClientError as error:
            broken = error.message
            if isinstance(error, Late):
                self._late[path] = f"{title} was not answered in time before"
        if len(events) < limit:
            events += reader.flush()
        return Exchange(title, status, headers, bytes(read), tuple(events), broken)


def _wait(exchange: Exchange) -> float | None:
    """Seconds after which it is worth asking again, as the SDKs would."""
    if exchange.status not in (429, 503) or exchange.headers.get("x-should-retry") == "false":
        return None
    try:
        seconds = float(exchange.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= PATIENCE else None
