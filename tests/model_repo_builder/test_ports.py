"""Ports that are free, and stay so."""

import socket
from pathlib import Path

import pytest

from model_repo_builder.ports import Ports, free_port


def test_no_connection_takes_a_free_port_before_its_server() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    for _ in range(50):
        numbers = Ports.free().numbers
        assert len(set(numbers)) == 3
        assert not [number for number in numbers if low <= number <= high]


def test_a_port_that_is_taken_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr("model_repo_builder.ports._FREE", [taken] * 20 + [free_port()])
        assert taken not in {free_port() for _ in range(20)}


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"], ids=["elsewhere", "no-host"])
def test_an_address_of_another_machine(host: str) -> None:
    with pytest.raises(OSError, match=r"."):
        free_port(host)
