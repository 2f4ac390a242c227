"""The watch sees every reply: over httpx and httpx2, sync and async, read or left, asked for by a test or by an SDK."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import httpx2
import openai
import pytest

from tests.support.watch import Watch

BODY = b'data: {"object":"text_completion"}\n\n'


class Peer(BaseHTTPRequestHandler):
    """A server that answers every request with a chunk that breaks the rules of chat."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("x-request-id", "r")
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest shows what matters."""


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def plainly(url: str) -> None:
    httpx.post(f"{url}/v1/chat/completions", json={"stream": True})


def streaming(url: str) -> None:
    with httpx2.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as reply:
        reply.read()


def leaving(url: str) -> None:
    with httpx.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as reply:
        next(reply.iter_bytes())


def by_the_sdk(url: str) -> None:
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
        contextlib.suppress(openai.OpenAIError),
    ):
        list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True))


@pytest.mark.parametrize("way", [plainly, streaming, leaving, by_the_sdk])
def test_a_bad_reply_is_a_violation(peer: str, api_watch: Watch, way: object) -> None:
    seen = api_watch.seen
    way(peer)  # type: ignore[operator]
    (violation,) = api_watch.take()
    assert api_watch.seen == seen + 1
    assert violation.startswith("POST /v1/chat/completions → 200: ")
    assert "text_completion" in violation


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_a_bad_reply_to_an_async_client(peer: str, api_watch: Watch, library: object) -> None:
    async with library.AsyncClient() as client:  # type: ignore[attr-defined]
        await client.post(f"{peer}/v1/chat/completions", json={"stream": True})
    (violation,) = api_watch.take()
    assert "text_completion" in violation


def test_other_paths_are_not_ours(peer: str, api_watch: Watch) -> None:
    httpx.post(f"{peer}/v2/models", json={})
    assert api_watch.take() == []
