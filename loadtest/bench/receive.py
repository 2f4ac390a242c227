"""What receiving one streamed message costs: grpcio's transport beside our own, on the same replayed responses.

    python -m loadtest.bench.receive --streams 64 --runs 3

Each run is a process that reads all streams through the gateway's ``Transport`` and does nothing else; its CPU time,
all threads, is divided by its messages. ``bytes`` reads the socket and looks at nothing: what the event loop and the
kernel take. Only ratios within one run of this command mean anything: machines drift.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import uvloop

from gateway.core.tensors import Response, Tensor
from gateway.triton.grpc_transport import GrpcTransport
from gateway.triton.h2 import frames
from gateway.triton.h2.connection import Connection
from gateway.triton.h2.grpc_messages import framed, request_headers
from gateway.triton.h2.infer import PATH, encode
from gateway.triton.h2.transport import H2Transport
from gateway.triton.transport import Call
from loadtest.bench.replay import TRAILERS

PACES = {
    "each at its own moment": ["--gap-ms", "50"],
    "all in one step": ["--gap-ms", "50", "--steps"],
    "as fast as they are read": ["--gap-ms", "0"],
}


def call(number: int) -> Call:
    prompt = Tensor.of("input_ids", "INT32", (1, 32), range(32))
    return Call("tensorrt_llm", f"chatcmpl-{number:032x}", (prompt,), ("output_ids", "sequence_length"))


async def messages(transport: Any, number: int) -> int:
    count = 0

    def take(responses: Sequence[Response]) -> bool:
        nonlocal count
        count += len(responses)
        return False

    await transport.feed(call(number), take)
    return count


async def through(make: Callable[[str], Any], read: Callable[..., Any], address: str, streams: int) -> int:
    transport = make(address)
    counts = await asyncio.gather(*(read(transport, number) for number in range(streams)))
    await transport.close()
    return sum(counts)


class Bytes(asyncio.Protocol):
    """Asks, keeps the windows open, and counts the ends of streams."""

    def __init__(self, streams: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._streams = streams
        self._ends = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = Connection()
        for number in range(self._streams):
            headers = request_headers(PATH, "localhost")
            connection.open(headers, framed(encode(call(number))), lambda: None)
        for number in range(self._streams):
            connection.out += frames.window_update(2 * number + 1, 2**30)
        cast(asyncio.Transport, transport).write(bytes(connection.out))

    def data_received(self, data: bytes) -> None:
        self._ends += data.count(TRAILERS)
        if self._ends == self._streams:
            self.done.set_result(None)


async def nothing(address: str, streams: int) -> int:
    host, _, port = address.rpartition(":")
    transport, protocol = await asyncio.get_running_loop().create_connection(lambda: Bytes(streams), host, int(port))
    await protocol.done
    transport.close()
    return 0


CLIENTS: dict[str, Callable[[str, int], Any]] = {
    "grpc": lambda address, streams: through(GrpcTransport, messages, address, streams),
    "h2": lambda address, streams: through(H2Transport, messages, address, streams),
    "bytes": nothing,
}


def child(client: str, address: str, streams: int) -> None:
    """One run, in its own process: prints messages and CPU seconds."""

    async def measured() -> dict[str, float]:
        cpu, wall = time.process_time(), time.perf_counter()
        count = await CLIENTS[client](address, streams)
        return {"messages": count, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}

    print(json.dumps(uvloop.run(measured())))


def run(client: str, pace: Sequence[str], streams: int, tokens: int) -> float:
    """Microseconds of CPU per message."""
    replay = [sys.executable, "-m", "loadtest.bench.replay", "--tokens", str(tokens), *pace]
    server = subprocess.Popen(replay, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = f"127.0.0.1:{server.stdout.readline().strip()}"
        command = [sys.executable, "-m", "loadtest.bench.receive", "--child", client, address, str(streams)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        server.communicate()
    found = json.loads(done.stdout)
    assert client == "bytes" or found["messages"] == streams * (tokens + 1), found
    cost: float = found["cpu"] / (streams * (tokens + 1)) * 1e6
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.receive", description=__doc__)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=200, help="responses to each request; ten times as many unpaced")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turns; the median counts")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        client, address, streams = arguments.child
        child(client, address, int(streams))
        return
    print(f"CPU per message, µs; {arguments.streams} streams, median of {arguments.runs} (lowest to highest)")
    for pace, flags in PACES.items():
        tokens = arguments.tokens * (10 if "0" in flags else 1)
        costs: dict[str, list[float]] = {client: [] for client in CLIENTS}
        for _ in range(arguments.runs):
            for client, found in costs.items():
                found.append(run(client, flags, arguments.streams, tokens))
        print(f"\n{pace}:")
        ours = statistics.median(costs["h2"])
        for client, found in costs.items():
            middle = statistics.median(found)
            print(f"  {client:<12}{middle:8.1f}  ({min(found):.1f} to {max(found):.1f}){middle / ours:8.2f} × h2")


if __name__ == "__main__":
    main()
