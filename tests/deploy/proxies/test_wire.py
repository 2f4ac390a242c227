"""What each proxy sends to a gateway, and how often: seen by listeners in the place of two gateways."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from loadtest.processes import status
from loadtest.proxies import Certificate, Nginx, Proxy
from model_repo_builder.ports import free_port
from tests.deploy.proxies.client import Asked
from tests.deploy.proxies.listener import Came, Listener
from tests.support.waiting import wait_for

GOOD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
TIMES = 5
BODY = b'{"messages": []}'


@contextmanager
def in_front(
    kind: type[Proxy], folder: Path, replies: list[bytes | None], certificate: Certificate | None = None
) -> Iterator[tuple[Proxy, list[Came]]]:
    """The proxy before two listeners, and what both get. ``replies``: to the first request, the second, and so on; to
    the last and all after it."""
    came: list[Came] = []

    def reply(_: Came) -> bytes | None:
        return replies[min(len(came), len(replies)) - 1]

    with ExitStack() as stack:
        listeners = [stack.enter_context(Listener(reply, came)) for _ in range(2)]
        proxy = kind(folder, [listener.address for listener in listeners], certificate=certificate)
        stack.callback(proxy.stop, 2)
        proxy.start()
        if certificate is None:
            wait_for(lambda: status(proxy.port, "/readyz") == 200, 10, "it is ready")
        yield proxy, came


def test_what_a_gateway_gets(kind: type[Proxy], tmp_path: Path) -> None:
    lies = {
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "bank.example",
        "x-request-id": "mine",
        "x-session-id": "talk",
        "connection": "upgrade",
        "upgrade": "h2c",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "mine=1",
    }
    with in_front(kind, tmp_path, [GOOD]) as (proxy, came):
        Asked(proxy.url, BODY, path="/v1/messages?beta=true", headers=lies).body()
    (only,) = came
    assert (only.line, only.body) == ("POST /v1/messages?beta=true HTTP/1.1", BODY)
    expected = {
        "host": f"127.0.0.1:{proxy.port}",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": f"127.0.0.1:{proxy.port}",
        "x-request-id": "mine",
        "x-session-id": "talk",
        "content-type": "application/json",
    }
    assert {name: only.headers.get(name) for name in expected} == expected
    assert "authorization" in only.headers
    assert not {"upgrade", "te", "expect", "transfer-encoding", "traceparent", "tracestate"} & set(only.headers)
    # HAProxy leaves the word there, which means nothing without the header.
    assert only.headers.get("connection", "keep-alive") in ("keep-alive", "upgrade")
    assert not [name for name in only.headers if name.startswith("x-envoy")]


def test_connections_to_gateways_are_kept(kind: type[Proxy], tmp_path: Path) -> None:
    with in_front(kind, tmp_path, [GOOD]) as (proxy, came):
        _several(proxy, 8)
    assert len(came) == 8
    assert len({each.connection for each in came}) < 8


def _several(proxy: Proxy, count: int) -> None:
    """Requests one after another on one connection."""
    asked = Asked(proxy.url, BODY, keep=True)
    for _ in range(count - 1):
        assert asked.body() == b"{}"
        asked.again(BODY)
    assert asked.body() == b"{}"  # one that nobody waits for may never reach a gateway
    asked.close()


@pytest.mark.parametrize(
    "extra", [{}, {"x-envoy-retry-on": "5xx,reset", "x-envoy-max-retries": "3"}], ids=["", "envoy"]
)
def test_a_request_that_a_gateway_broke_is_not_sent_again(
    kind: type[Proxy], tmp_path: Path, extra: dict[str, str]
) -> None:
    with in_front(kind, tmp_path, [None, GOOD]) as (proxy, came):
        asked = Asked(proxy.url, BODY, headers=extra)
        assert asked.status in (502, 503)
        body = asked.body()
    assert len(came) == 1
    assert asked.reply.getheader("retry-after") == "1"
    assert asked.reply.getheader("content-type") == "application/json"
    assert b'"type":"server_error"' in body


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_refusal_passes_as_it_is_and_is_not_sent_again(kind: type[Proxy], tmp_path: Path, status: int) -> None:
    body = b'{"error":{"message":"Busy. Try again in 7 s."}}'
    head = (
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nretry-after: 7\r\nx-ratelimit-reset-tokens: 6s\r\n"
    )
    refusal = head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    with in_front(kind, tmp_path, [refusal, GOOD]) as (proxy, came):
        asked = Asked(proxy.url, BODY)
        assert asked.status == status
        assert asked.body() == body
    assert len(came) == 1
    headers = {name.lower(): value for name, value in asked.reply.getheaders()}
    assert (headers["retry-after"], headers["x-ratelimit-reset-tokens"]) == ("7", "6s")


def test_a_gateway_that_went_away_costs_nothing(kind: type[Proxy], tmp_path: Path) -> None:
    """Requests come before a check may have noticed. Now and then a check is first: then it goes away again."""
    body = bytes(range(256)) * 40_000
    stays, goes = Listener(lambda _: GOOD), Listener(lambda _: GOOD, port=free_port())
    with ExitStack() as stack:
        stack.enter_context(stays)
        proxy = kind(tmp_path, [goes.address, stays.address])
        stack.callback(proxy.stop, 2)
        proxy.start()
        for time in range(TIMES):
            with Listener(lambda _: GOOD, goes.came, goes.port):
                proxy.reload()
                _use_both(proxy, stays, goes)
            stays.came.clear()
            ids = [f"away-{time}-{number}" for number in range(4)]
            for each in ids:
                assert Asked(proxy.url, body, headers={"x-request-id": each}).body() == b"{}"
            assert [each.body == body for each in stays.came] == [True] * len(ids)
            wait_for(lambda: len(proxy.logged(f"away-{time}-")) == len(ids), 5, "they are in the log")  # noqa: B023
            if max(proxy.tries(line) for line in proxy.logged(f"away-{time}-")) > 1:
                return
    pytest.fail("it never tried the one that is away")


def test_nobody_is_there(kind: type[Proxy], tmp_path: Path) -> None:
    proxy = kind(tmp_path, [f"127.0.0.1:{free_port()}" for _ in range(2)])
    proxy.start()
    try:
        wait_for(lambda: status(proxy.port, "/readyz") == 503, 10, "it says that it is not ready")
        asked = Asked(proxy.url, BODY)
        assert asked.status in (502, 503)
        assert asked.reply.getheader("retry-after") == "1"
        assert json.loads(asked.body())["error"]["type"] == "server_error"
    finally:
        proxy.stop(2)


def test_gateways_that_are_not_ready_are_left_to_say_so_or_not_asked(kind: type[Proxy], tmp_path: Path) -> None:
    """nginx asks all the same where none is ready, rather than nobody: what it knows may be 10 s old."""
    refusal = b"HTTP/1.1 503 X\r\nretry-after: 3\r\ncontent-length: 2\r\n\r\n{}"
    with ExitStack() as stack:
        listeners = [stack.enter_context(Listener(lambda _: refusal, ready=refusal)) for _ in range(2)]
        proxy = kind(tmp_path, [listener.address for listener in listeners])
        stack.callback(proxy.stop, 2)
        proxy.start()
        wait_for(lambda: status(proxy.port, "/readyz") == 503, 10, "it says that it is not ready")
        asked = Asked(proxy.url, BODY)
        assert asked.status == 503
        assert asked.reply.getheader("retry-after") == ("3" if kind is Nginx else "1")
        asked.body()
        assert sum(len(listener.came) for listener in listeners) == (1 if kind is Nginx else 0)


def _use_both(proxy: Proxy, stays: Listener, goes: Listener) -> None:
    stays.came.clear()
    goes.came.clear()
    wait_for(lambda: _answered(proxy) and bool(stays.came) and bool(goes.came), 20, "both are used")


def _answered(proxy: Proxy) -> bool:
    return Asked(proxy.url, BODY).body() == b"{}"


def test_tls(kind: type[Proxy], tmp_path: Path, certificate: Certificate) -> None:
    context = ssl.create_default_context(cafile=certificate.cert.parent / "ca.pem")
    with in_front(kind, tmp_path, [GOOD], certificate) as (proxy, came):
        wait_for(lambda: Asked(proxy.url, BODY, tls=context).body() == b"{}", 10, "it is ready")
    assert came[-1].headers["x-forwarded-proto"] == "https"
