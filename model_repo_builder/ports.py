"""The three ports of a tritonserver: checked as numbers, shifted for the next instance, tried before a start.

Knows sockets. Starts nothing.
"""

from __future__ import annotations

import errno
import random
import socket
from dataclasses import dataclass, fields

from model_repo_builder.errors import LaunchError, SettingsError

_FREE = range(12000, 32000)  # Linux's for connections begin at 32768 (net.ipv4.ip_local_port_range)
_ANY_ADDRESS = ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True)
class Ports:
    grpc: int = 8001
    http: int = 8000
    metrics: int = 8002

    def __post_init__(self) -> None:
        numbers = self.numbers
        for spec, number in zip(fields(self), numbers, strict=True):
            if not 1 <= number <= 65535:
                raise SettingsError(f"{spec.name} port {number} is no port: give a number from 1 to 65535")
        if len(set(numbers)) < len(numbers):
            raise SettingsError("the grpc, http and metrics ports must be three different ones")

    @classmethod
    def free(cls, host: str = "127.0.0.1") -> Ports:
        """Three that nobody listens on."""
        numbers: set[int] = set()
        while len(numbers) < len(fields(cls)):
            numbers.add(free_port(host))
        return cls(*numbers)

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.grpc, self.http, self.metrics)

    def shifted(self, distance: int) -> Ports:
        return Ports(*(number + distance for number in self.numbers))


def free_port(host: str = "127.0.0.1") -> int:
    """One that nobody listens on, and that no connection takes before a server is there, or while it is away: those
    begin at ports of the kernel's range, not here. OSError where ``host`` is no address of this machine."""
    while True:
        port = random.choice(_FREE)
        try:
            socket.create_server((host, port)).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port


def check_ports(host: str, ports: Ports) -> None:
    """Triton would say so too, but only after every model is loaded."""
    for spec in fields(ports):
        port = getattr(ports, spec.name)
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            raise LaunchError(
                f"{spec.name} port {port} on {host} cannot be used ({error.strerror}): "
                f"stop what uses it, or choose another with --{spec.name}-port"
            ) from error


def address(host: str, port: int) -> str:
    """Where a client on this machine reaches what listens there."""
    if host in _ANY_ADDRESS:
        return f"127.0.0.1:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
