"""Clients that are slow to ask, endless or hostile, on bare sockets: each is told why where it can be, and let go."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from model_repo_builder.ports import Ports
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder

PATIENCE = 20.0  # seconds for anything that is expected to happen
HEADERS = 20  # the edge's bounds in these tests
HEADER_BYTES = 8192
GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """In front of nothing: what is tested here happens before any Triton is asked."""
    folder = tmp_path_factory.mktemp("edge")
    triton = f"127.0.0.1:{Ports.free().grpc}"
    config = gateway_toml(folder / "gateway.toml", triton, tokenizer.path, max_model_len=2048, routes=["direct"])
    bounds = f"max_headers = {HEADERS}\nmax_header_bytes = {HEADER_BYTES}\nhead_seconds = 0.5\nbody_seconds = 0.5\n"
    bounds += "keep_alive_seconds = 1\n"
    config.write_text(f"{config.read_text()}\n[edge]\n{bounds}")
    with gateway_serving(folder / "log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _unharmed(gateway: Gateway) -> Iterator[None]:
    yield
    assert httpx.get(f"{gateway.url}/healthz", timeout=10).status_code == 200
    assert "Traceback" not in gateway.log.read_text()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[socket.socket]:
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as client:
        yield client


def everything(client: socket.socket) -> bytes:
    """What comes until the gateway closes."""
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def healthy(client: socket.socket) -> None:
    """Reads one reply of /healthz."""
    data = b""
    while not data.endswith(b"}"):
        more = client.recv(65536)
        assert more, data
        data += more
    assert data.startswith(b"HTTP/1.1 200")


def told(reply: bytes) -> tuple[int, str]:
    """Status and message of the only reply."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    return int(head.split()[1]), error["message"]


def drip(client: socket.socket, pieces: Iterator[bytes]) -> bytes:
    """Sends piece after piece, with a pause after each, until the gateway answers or closes. What it says."""
    deadline = time.monotonic() + PATIENCE
    for piece in pieces:
        assert time.monotonic() < deadline, "the gateway goes on listening"
        try:
            client.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            break
        if select.select([client], [], [], 0.05)[0]:
            break
    return everything(client)


def endless(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def test_a_connection_that_asks_nothing_is_closed_without_a_word(client: socket.socket) -> None:
    assert everything(client) == b""


SLOW = [
    pytest.param(GET, id="headers-that-do-not-end"),
    pytest.param(GET[:20], id="half-a-line"),
    pytest.param(POST + b"content-length: 10\r\n\r\n12345", id="half-a-body"),
    pytest.param(POST + b"transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n", id="chunks-that-do-not-end"),
]


@pytest.mark.parametrize("begun", SLOW)
def test_what_does_not_end_is_a_408(client: socket.socket, begun: bytes) -> None:
    client.sendall(begun)
    status, message = told(everything(client))
    assert status == 408
    assert "too slowly" in message


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        pytest.param(GET, b"a: b\r\n", id="headers"),
        pytest.param(GET + b"a: ", b"b", id="a-header"),
        pytest.param(POST + b"content-length: 100000\r\n\r\n", b" ", id="a-body"),
        pytest.param(POST + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", id="chunks"),
    ],
)
def test_a_drip_is_not_an_excuse(client: socket.socket, begun: bytes, piece: bytes) -> None:
    client.sendall(begun)
    assert told(drip(client, endless(piece)))[0] == 408


def test_empty_lines_are_no_request(client: socket.socket) -> None:
    client.sendall(GET + b"\r\n")
    healthy(client)
    reply = drip(client, endless(b"\r\n"))
    assert not reply or told(reply)[0] == 408


LARGE = [
    pytest.param(GET + b"a: b\r\n" * HEADERS + b"\r\n", "headers; this server takes 20", id="many-headers"),
    pytest.param(GET + b"a: " + b"b" * HEADER_BYTES + b"\r\n\r\n", "8192 bytes", id="a-long-header"),
    pytest.param(GET + b"b" * HEADER_BYTES + b": a\r\n\r\n", "8192 bytes", id="a-long-name"),
    pytest.param(b"GET /" + b"a" * HEADER_BYTES + b" HTTP/1.1\r\n\r\n", "8192 bytes", id="a-long-url"),
]


@pytest.mark.parametrize(("request_", "message"), LARGE)
def test_too_much_of_headers_is_a_431(client: socket.socket, request_: bytes, message: str) -> None:
    client.sendall(request_)
    status, said = told(everything(client))
    assert status == 431
    assert message in said


@pytest.mark.parametrize("begun", [GET + b"a: ", GET, b"GET /"], ids=["one-header", "one-name", "the-url"])
def test_headers_without_end_are_not_kept(client: socket.socket, begun: bytes) -> None:
    """Refused after a bounded number of bytes: the sender is stopped long before its 64 MiB."""
    client.sendall(begun)
    sent = 0
    try:
        while sent < 2**26:
            sent += client.send(b"a" * 2**16)
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert sent < 2**25


BROKEN = [
    pytest.param(GET + b"a: b\x01c\r\n\r\n", id="a-control-character-in-a-value"),
    pytest.param(GET + b"a: b\x00c\r\n\r\n", id="a-nul-in-a-value"),
    pytest.param(GET + b"a\x01: b\r\n\r\n", id="a-control-character-in-a-name"),
    pytest.param(GET + b"a: b\r\n folded\r\n\r\n", id="a-folded-header"),
    pytest.param(GET + b"a : b\r\n\r\n", id="a-space-before-the-colon"),
    pytest.param(GET + b": b\r\n\r\n", id="no-name"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls-to-a-plain-port"),
    pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="an-unknown-version"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http-2"),
    pytest.param(POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", id="two-lengths"),
    pytest.param(POST + b"content-length: -1\r\n\r\n", id="a-negative-length"),
    pytest.param(POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="a-length-and-chunks"),
    pytest.param(POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n", id="a-chunk-without-a-size"),
]


@pytest.mark.parametrize("request_", BROKEN)
def test_what_is_not_http_is_a_400(client: socket.socket, request_: bytes) -> None:
    client.sendall(request_)
    reply = everything(client)
    assert told(reply)[0] == 400


@pytest.mark.parametrize("value", [b"\x7f", b"\xff", b"\t", "ü".encode()], ids=["del", "latin", "tab", "utf-8"])
def test_other_bytes_in_headers_do_no_harm(client: socket.socket, value: bytes) -> None:
    client.sendall(GET + b"x-request-id: a" + value + b"\r\nx-session-id: a" + value + b"\r\nconnection: close\r\n\r\n")
    assert everything(client).split()[1] in (b"200", b"400")


def test_a_body_of_many_small_chunks_is_a_body(client: socket.socket) -> None:
    body = b'{"model": "nobody", "messages": []}' + b" " * 2000
    chunks = b"".join(b"1\r\n" + body[place : place + 1] + b"\r\n" for place in range(len(body)))
    client.sendall(POST + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert told(everything(client))[0] in (400, 404)


def test_a_connection_is_used_again_and_requests_may_queue_on_it(client: socket.socket) -> None:
    """Each request has the whole of its time and of its bytes."""
    padding = b"a: " + b"b" * (HEADER_BYTES // 2) + b"\r\n"
    for _ in range(5):
        client.sendall(GET + padding + b"\r\n")
        healthy(client)
    client.sendall((GET + padding + b"\r\n") * 4 + GET + b"connection: close\r\n\r\n")
    assert everything(client).count(b"HTTP/1.1 200") == 5


def test_a_connection_without_a_next_request_is_closed(client: socket.socket) -> None:
    client.sendall(GET + b"\r\n")
    healthy(client)
    answered = time.monotonic()
    assert everything(client) == b""
    assert time.monotonic() - answered > 0.9  # keep_alive_seconds, and no earlier


def test_an_upgrade_is_not_taken_up(client: socket.socket) -> None:
    upgrade = (
        b"connection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n"
    )
    client.sendall(GET + upgrade + b"\r\n")
    assert everything(client).startswith(b"HTTP/1.1 200")
