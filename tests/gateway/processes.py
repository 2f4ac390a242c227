"""Gateways of a test's own, which it may reconfigure, kill and end; and what the system says of their processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from loadtest.engine.script import Script
from tests.gateway.asking import RawClient, messages
from tests.support.gateway import Gateway

Start = Callable[..., Gateway]
PATIENCE = 30.0  # seconds for anything that is expected to happen


def running(gateway: Gateway, script: Script, **fields: Any) -> RawClient:
    """A streamed chat of model "direct" on a connection of its own."""
    return RawClient(gateway, {"model": "direct", "messages": messages(script), "stream": True, **fields})


def ready(gateway: Gateway) -> int:
    return httpx.get(f"{gateway.url}/readyz", timeout=10).status_code


def workers(gateway: Gateway) -> set[int]:
    """Process ids of a gateway's workers."""
    pid = gateway.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def environment(pid: int, name: str) -> str:
    """What a process found in its environment."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(pair.partition(b"=")[2].decode() for pair in pairs if pair.startswith(f"{name}=".encode()))


def holder(client: socket.socket, candidates: set[int]) -> int:
    """Which process has the other end of a connection over IPv4 loopback."""
    ours, theirs = client.getsockname()[1], client.getpeername()[1]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(row[9] for row in rows if _port(row[1]) == theirs and _port(row[2]) == ours)
    for pid in candidates:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(descriptor) == f"socket:[{inode}]":
                    return pid
            except FileNotFoundError:  # closed meanwhile
                continue
    raise AssertionError(f"no worker holds the connection from port {ours}")


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
