"""Messages as the anthropic package reads them, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import anthropic
import pytest
from hypothesis import given, settings

from gateway.core.errors import (
    GatewayError,
    ModelNotFound,
    PayloadTooLarge,
    RequestError,
    UpstreamError,
    UpstreamUnavailable,
)
from gateway.core.reply.messages import MessageStream, error_body, error_status
from gateway.core.types import Content, Delta
from tests.gateway.core.reply.message_answers import answers, encoder, folded, raw


class Playback(BaseHTTPRequestHandler):
    """Answers every request with what ``server.answer`` holds: status, content type, body."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, kind, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("request-id", "req_1")
        self.send_header("x-request-id", "req_1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Reader:
    """Anthropic's SDK in front of a server that plays back."""

    def __init__(self, server: ThreadingHTTPServer, client: anthropic.Anthropic) -> None:
        self._server = server
        self._client = client

    def streamed(self, frames: bytes) -> dict[str, Any]:
        self._server.answer = (200, "text/event-stream; charset=utf-8", frames)  # type: ignore[attr-defined]
        with self._client.messages.stream(model="q", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as got:
            return got.get_final_message().to_dict()

    def whole(self, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        self._server.answer = (status, "application/json", json.dumps(body).encode())  # type: ignore[attr-defined]
        got = self._client.messages.create(model="q", max_tokens=9, messages=[{"role": "user", "content": "x"}])
        return got.to_dict()


@contextmanager
def playing() -> Iterator[Reader]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Playback)
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
            yield Reader(server, client)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def sdk() -> Iterator[Reader]:
    with playing() as reader:
        yield reader


@given(answers())
@settings(max_examples=60)
def test_anthropics_sdk_reads_the_same_message_streamed_and_whole(sdk: Reader, deltas: list[Delta]) -> None:
    body = folded(deltas)
    whole = sdk.whole(body)
    streamed = sdk.streamed(raw(deltas))
    assert whole == body
    # The SDK writes fields of its own into what it accumulated.
    assert {name: streamed[name] for name in body if name != "content"} == {n: body[n] for n in body if n != "content"}
    assert [
        {name: block[name] for name in expected}
        for block, expected in zip(streamed["content"], body["content"], strict=True)
    ] == body["content"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RequestError("Bad."), anthropic.BadRequestError),
        (ModelNotFound("Who?"), anthropic.NotFoundError),
        (PayloadTooLarge("Large."), anthropic.APIStatusError),
        (UpstreamError("Broken."), anthropic.InternalServerError),
        (UpstreamUnavailable("Away."), anthropic.InternalServerError),
    ],
    ids=["request", "model", "large", "upstream", "away"],
)
def test_anthropics_sdk_raises_the_error_it_documents(sdk: Reader, error: GatewayError, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=error.message) as caught:
        sdk.whole(error_body(error, request_id="req_1"), error_status(error))
    assert isinstance(caught.value, anthropic.APIStatusError)
    assert caught.value.request_id == "req_1"
    assert caught.value.body == error_body(error, request_id="req_1")


def test_anthropics_sdk_raises_on_an_error_after_the_stream_began(sdk: Reader) -> None:
    stream = MessageStream(encoder(), request_id="req_1")
    frames = stream.push(Delta(parts=(Content("half"),))) + stream.error(UpstreamError("The engine broke."))
    with pytest.raises(anthropic.APIError, match="The engine broke"):
        sdk.streamed(frames)
