"""The HTTP client and real sockets, right and wrong: every foreign error is one of ours, and nothing waits for ever."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.client.address import Proxy, parse_address
from gateway.commands.client.errors import Broken, ClientError, Late, Unreachable
from gateway.commands.client.transport import Client
from tests.gateway.commands.servers import Connection, Request, serving
from tests.support.certificates import Authority

Answer = Callable[[Request, Connection], None]
OK = b"HTTP/1.1 200 OK\r\n"


def client(url: str, **more: Any) -> Client:
    return Client(parse_address(url), **{"silence_seconds": 10.0, **more})


def test_a_request_is_what_was_asked() -> None:
    with serving(lambda _, connection: connection.reply(b'{"a": 1}', x_extra="yes")) as server:
        with client(server.url, key="sk-1").send("POST", "/chat", {"text": "你"}) as reply:
            assert (reply.status, reply.headers["x-extra"], reply.read()) == (200, "yes", b'{"a": 1}')
        with client(server.url).send("GET", "/models") as reply:
            reply.read()
        with client(server.url, key="sk-1").send("GET", "/models", key="") as reply:
            reply.read()
    posted, got, without = server.requests
    assert (posted.method, posted.target, posted.json) == ("POST", "/v1/chat", {"text": "你"})
    assert posted.headers["authorization"] == "Bearer sk-1"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["host"] == f"127.0.0.1:{server.port}"
    assert (got.method, got.body) == ("GET", b"")
    assert "authorization" not in got.headers
    assert "authorization" not in without.headers


def test_pieces_come_as_they_are_sent() -> None:
    """The second is sent only when the first was seen."""
    seen: list[bytes] = []

    def two(_: Request, connection: Connection) -> None:
        connection.stream(b"one", whole=False)
        while not seen:
            assert not connection.wait(0.01)
        connection.piece(b"two")
        connection.send(b"0\r\n\r\n")

    with serving(two) as server, client(server.url).send("GET", "/") as reply:
        seen.extend(reply.pieces())
    assert seen == [b"one", b"two"]


def test_closing_early_is_seen_by_the_server() -> None:
    def endless(_: Request, connection: Connection) -> None:
        connection.stream(whole=False)
        while not connection.wait(0.001):
            connection.piece(b"x" * 1000)

    with serving(endless) as server:
        with client(server.url).send("GET", "/") as reply:
            assert next(reply.pieces())
        assert server.left.wait(10)


def sends(data: bytes) -> Answer:
    return lambda _, connection: connection.send(data)


BROKEN = [
    pytest.param(sends(b""), Broken, "closed the connection", id="nothing"),
    pytest.param(sends(b"SSH-2.0-x\r\n"), Broken, "no HTTP", id="no-http"),
    pytest.param(sends(b"\x15\x03\x03\x00\x02\x02\x28"), Broken, "no HTTP", id="tls-alert"),
    pytest.param(sends(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n"), Broken, "no HTTP", id="many-headers"),
    pytest.param(sends(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000 + b"\r\n\r\n"), Broken, "no HTTP", id="long-header"),
    pytest.param(
        sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nxy"), Broken, "9 bytes and closed .* after 2", id="short"
    ),
    pytest.param(lambda _, c: c.stream(b"x", whole=False), Broken, "broke off", id="chunks-cut"),
    pytest.param(
        sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nxy"), Broken, "broke off", id="chunk-cut"
    ),
    pytest.param(
        sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nxy"), Broken, "broke off", id="no-chunk"
    ),
    pytest.param(lambda _, c: c.hang(), Late, "said nothing for 0.3 s", id="silence"),
    pytest.param(lambda _, c: (c.stream(b"x", whole=False), c.hang()), Late, "said nothing", id="silence-later"),
]


@pytest.mark.parametrize(("answer", "error", "said"), BROKEN)
def test_what_is_no_whole_reply(answer: Answer, error: type[ClientError], said: str) -> None:
    with (
        serving(answer) as server,
        pytest.raises(error, match=said),
        client(server.url, silence_seconds=0.3).send("GET", "/") as reply,
    ):
        reply.read()


def drip(head: bytes) -> Answer:
    def answer(_: Request, connection: Connection) -> None:
        connection.send(head)
        while not connection.wait(0.02):
            connection.send(b"1\r\ny\r\n" if b"chunked" in head else b"y")

    return answer


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 2", OK + b"x: ", OK + b"\r\n", OK + b"transfer-encoding: chunked\r\n\r\n"],
    ids=["status", "header", "body", "chunks"],
)
def test_a_deadline_holds_for_servers_that_never_end(head: bytes) -> None:
    with (
        serving(drip(head)) as server,
        pytest.raises(Late, match=r"not done after 0\.4 s"),
        client(server.url, total_seconds=0.4).send("GET", "/") as reply,
    ):
        reply.read()


def test_a_body_without_bounds_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.commands.client.transport.BODY_LIMIT", 1 << 20)
    with (
        serving(sends(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 << 20))) as server,
        pytest.raises(Broken, match="more than 1 MiB"),
        client(server.url).send("GET", "/") as reply,
    ):
        reply.read()


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable, match="Nothing listens") as caught:
            client(url).send("GET", "/")
    assert "gateway serve" in caught.value.advice


def test_no_such_host() -> None:
    with pytest.raises(Unreachable, match=r"no host named nobody\.invalid"):
        client("http://nobody.invalid").send("GET", "/")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ca")


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    pair = authority.signed("server", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return context


def test_tls_with_the_authority_of_the_server(authority: Authority, tls: ssl.SSLContext) -> None:
    with serving(lambda _, connection: connection.stream(b"one", b"two"), tls=tls) as server:
        url = server.url.replace("http://", "https://")
        with client(url, ca_file=authority.ca).send("GET", "/") as reply:
            assert reply.read() == b"onetwo"
        with pytest.raises(Unreachable, match="is not trusted") as caught:
            client(url).send("GET", "/")
        assert "--ca-file" in caught.value.advice
        with (
            pytest.raises(ClientError, match=r"no HTTP|closed the connection"),
            client(server.url).send("GET", "/") as r,
        ):
            r.read()


def test_tls_that_breaks_off_is_noticed(authority: Authority, tls: ssl.SSLContext) -> None:
    with serving(lambda _, connection: connection.stream(b"one", whole=False), tls=tls) as server:
        url = server.url.replace("http://", "https://")
        with pytest.raises(Broken), client(url, ca_file=authority.ca).send("GET", "/") as reply:
            reply.read()


def test_tls_to_a_server_without() -> None:
    with (
        serving(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        pytest.raises(Unreachable, match="does not speak TLS") as caught,
    ):
        client(server.url.replace("http://", "https://")).send("GET", "/")
    assert "http://" in caught.value.advice


def test_plain_http_through_a_proxy() -> None:
    with serving(lambda _, connection: connection.reply(b"{}")) as proxy:
        through = Proxy("127.0.0.1", proxy.port, "me:secret")
        with client("http://far.example:9000/v1", proxy=through, key="sk-1").send("GET", "/models") as reply:
            assert reply.status == 200
    [request] = proxy.requests
    assert request.target == "http://far.example:9000/v1/models"
    assert request.headers["host"] == "far.example:9000"
    assert request.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"
    assert request.headers["authorization"] == "Bearer sk-1"


def test_tls_through_a_proxy(authority: Authority, tls: ssl.SSLContext) -> None:
    """The proxy lets us through to itself: it answers CONNECT, and then is the server."""
    inner: list[Request | None] = []

    def connect(request: Request, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        connection.tls(tls)
        inner.append(connection.read())
        connection.reply(b"{}")

    with serving(connect) as proxy:
        through = Proxy("127.0.0.1", proxy.port, "me:secret")
        with client("https://127.0.0.1:443/v1", proxy=through, ca_file=authority.ca, key="sk-1").send(
            "GET", "/x"
        ) as reply:
            assert reply.read() == b"{}"
    [asked] = proxy.requests
    assert (asked.method, asked.target) == ("CONNECT", "127.0.0.1:443")
    assert "authorization" not in asked.headers
    [request] = inner
    assert request is not None
    assert (request.target, request.headers["authorization"]) == ("/v1/x", "Bearer sk-1")
    assert "proxy-authorization" not in request.headers


def test_a_proxy_that_refuses(tmp_path: Path) -> None:
    with (
        serving(lambda _, connection: connection.reply(b"no", status=403)) as proxy,
        pytest.raises(Unreachable, match="does not let us through") as caught,
    ):
        client("https://far.example/v1", proxy=Proxy("127.0.0.1", proxy.port)).send("GET", "/")
    assert "no_proxy" in caught.value.advice
