"""One question and its answer, as it comes. It knows the client and the clock; leaving it early cancels the request."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from gateway.commands.chat.answer import Answer, Part
from gateway.commands.client.errors import Broken, Refused
from gateway.commands.client.events import EventReader
from gateway.commands.client.objects import refusal
from gateway.commands.client.transport import Client, Reply
from gateway.commands.client.visible import one_line

PATH = "/chat/completions"


class Asking:
    """``parts`` asks. ``answer`` is what came so far; the seconds are None while nothing has."""

    def __init__(self, client: Client, body: dict[str, Any]) -> None:
        self.answer = Answer()
        self.first_seconds: float | None = None
        self.last_seconds: float | None = None
        self._client = client
        self._body = body

    def parts(self) -> Generator[Part, None, None]:
        """Text as it arrives, until the answer is complete. ClientError where it does not come to that."""
        asked = time.monotonic()
        with self._client.send("POST", PATH, self._body) as reply:
            check_status(reply)
            with closing(self._said(reply)) as said:
                for part in said:
                    self.last_seconds = time.monotonic() - asked
                    if self.first_seconds is None:
                        self.first_seconds = self.last_seconds
                    yield part

    def _said(self, reply: Reply) -> Generator[Part, None, None]:
        if "event-stream" not in reply.headers.get("content-type", ""):
            yield from self._whole(reply)
            return
        reader = EventReader()
        for piece in reply.pieces():
            for event in reader.push(piece):
                yield from self.answer.push(event)
                if self.answer.done:  # whatever the server does with the connection now
                    return
        for event in reader.flush():
            yield from self.answer.push(event)
        self.answer.check_complete()

    def _whole(self, reply: Reply) -> Iterator[Part]:
        """From a server that does not stream."""
        try:
            body = json.loads(reply.read())
        except (ValueError, RecursionError):
            kind = one_line(reply.headers.get("content-type", "nothing named"), 60)
            raise Broken(
                f"What answers at {self._client.address} sent {kind} instead of a chat.",
                "Is it the base URL of an OpenAI-compatible server? Most end in /v1.",
            ) from None
        yield from self.answer.take(body, "message")

    @property
    def tokens_per_second(self) -> float | None:
        """After the first token; None where the server does not count, or too few came to say."""
        tokens, first, last = self.answer.tokens, self.first_seconds, self.last_seconds
        if tokens is None or tokens < 2 or first is None or last is None or last - first < 0.001:
            return None
        return (tokens - 1) / (last - first)


def check_status(reply: Reply) -> None:
    """ClientError for whatever is no 2xx."""
    if 300 <= reply.status < 400:
        place = one_line(reply.headers.get("location", "nowhere"))
        raise Broken(f"The server redirects to {place}.", "If you trust that, give its base URL.")
    if not 200 <= reply.status < 300:
        raise refusal(reply)


def counts(error: Refused) -> bool:
    """Whether a server refused a request because it does not know ``stream_options``, as old ones do."""
    return error.status in (400, 422) and "stream_options" in error.message
