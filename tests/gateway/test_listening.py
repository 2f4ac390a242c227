"""The port: refused where it is taken, and dealt out to those who serve."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.core.errors import SettingsError
from gateway.listening import deal_to, listen, listen_each

COUNT = 4
CONNECTIONS = 80  # enough that a socket without any is no chance: less than one in 10^9


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(each) for each in listen_each("127.0.0.1", 0, COUNT)]
        for each in opened:
            each.setblocking(False)
        yield opened


def waiting(sockets: list[socket.socket]) -> list[int]:
    """How many connections wait at each of the sockets."""
    counts = []
    for each in sockets:
        count = 0
        while True:
            try:
                each.accept()[0].close()
            except BlockingIOError:
                break
            count += 1
        counts.append(count)
    return counts


def connect(sockets: list[socket.socket]) -> None:
    for _ in range(CONNECTIONS):
        socket.create_connection(sockets[0].getsockname(), timeout=10).close()


@pytest.mark.parametrize("live", [[0], [1, 3], [0, 1, 2], [3], list(range(COUNT))], ids=str)
def test_connections_go_to_those_that_serve(sockets: list[socket.socket], live: list[int]) -> None:
    deal_to(sockets, live)
    connect(sockets)
    counts = waiting(sockets)
    assert sum(counts) == CONNECTIONS
    assert [index for index, count in enumerate(counts) if count] == live


def test_what_waits_stays_and_all_are_dealt_to_again(sockets: list[socket.socket]) -> None:
    connect(sockets)
    deal_to(sockets, [2])
    connect(sockets)
    counts = waiting(sockets)
    assert sum(counts) == 2 * CONNECTIONS
    assert all(counts)
    deal_to(sockets, [])  # nobody serves: each waits where chance puts it
    connect(sockets)
    assert all(waiting(sockets))


@pytest.mark.parametrize("count", [1, 2], ids=["by-one", "by-several"])
def test_a_port_in_use_is_refused(count: int) -> None:
    with ExitStack() as stack:
        taken = listen_each("127.0.0.1", 0, count) if count > 1 else [listen("127.0.0.1", 0)]
        for each in taken:
            stack.enter_context(each)
        port = taken[0].getsockname()[1]
        for again in (lambda: listen("127.0.0.1", port), lambda: listen_each("127.0.0.1", port, 2)):
            with pytest.raises(SettingsError, match=rf"Cannot listen on 127\.0\.0\.1:{port}.*--port"):
                again()


def test_a_host_that_is_not_ours_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"Cannot listen on 192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)
