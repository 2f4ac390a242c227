"""What one streamed token costs a front end: the emitter, and the gateway on each transport, side by side.

    python -m loadtest.bench.fronts --streams 64 --runs 3

Every front end gets the same load in turns. The CPU of its process, as the operating system counts it, is divided by
the tokens. Behind the gateway is a stand-in for Triton (``stand_in``); its CPU and the client's are not counted.
Only ratios within one run mean anything: machines drift.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from loadtest.ask import Ask, chat
from loadtest.client import Client
from loadtest.engine_repository import SEEDLING
from loadtest.load import closed_loop
from loadtest.measurement import usage
from loadtest.processes import Gateway, Process, free_port, status
from loadtest.summary import summarize

CLIENT = """
import asyncio, json, sys, uvloop
from loadtest.bench.fronts import load
print(json.dumps(uvloop.run(load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))))
"""
FRONTS = ("emitter", "h2", "grpc")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run: CPU in microseconds per token, milliseconds, tokens per second, bytes."""

    cpu: float
    ttft_p50: float
    ttft_p99: float
    gap_p99: float
    rate: float
    rss_mib: float


async def load(url: str, streams: int, requests: int, tokens: int) -> dict[str, float]:
    """So many streams at once, each with one request after another."""
    client = Client(url)
    body = chat("bench", "Hello", max_tokens=tokens + 100)
    seen = await closed_loop(client, (Ask(body) for _ in range(streams * requests)), clients=streams)
    client.close()
    found = summarize(seen)
    assert set(found.kinds) == {"ok"}, found.kinds
    total = streams * requests * tokens
    return {
        "ttft_p50": found.ttft.p50 or 0.0,
        "ttft_p99": found.ttft.p99 or 0.0,
        "gap_p99": found.gap.p99 or 0.0,
        "rate": total / found.seconds,
    }


def measure(front: Process, url: str, streams: int, requests: int, tokens: int) -> Figures:
    """The client runs in a process of its own, so that this one costs nothing meanwhile."""
    command = [sys.executable, "-c", CLIENT, url, str(streams), str(requests), str(tokens)]
    before = usage(front.pids)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    after = usage(front.pids)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    seen = json.loads(done.stdout)
    cpu = (after.cpu_seconds - before.cpu_seconds) / (streams * requests * tokens) * 1e6
    return Figures(cpu, rss_mib=after.rss_mib, **seen)


@contextlib.contextmanager
def stand_in(tokens: int, gap_ms: float) -> Iterator[int]:
    """The port of a stand-in for Triton."""
    command = [sys.executable, "-m", "loadtest.bench.stand_in", "--tokens", str(tokens), "--gap-ms", str(gap_ms)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.communicate()


@contextlib.contextmanager
def fronts(folder: Path, tokens: int, gap_ms: float) -> Iterator[dict[str, tuple[Process, str]]]:
    """Every front end, running, by its name, with its URL."""
    with contextlib.ExitStack() as stack:
        triton = stack.enter_context(stand_in(tokens, gap_ms))
        port = free_port()
        flags = ["--tokens", str(tokens), "--gap-ms", str(gap_ms), "--port", str(port)]
        emitter = Process([sys.executable, "-m", "loadtest.bench.emitter", *flags], folder / "emitter.log")
        stack.callback(emitter.stop)
        emitter.launch()
        found: dict[str, tuple[Process, str]] = {"emitter": (emitter, f"http://127.0.0.1:{port}")}
        for transport in ("h2", "grpc"):
            gateway = Gateway(folder, config(triton, transport))
            stack.callback(gateway.stop)
            gateway.start()
            found[transport] = (gateway, gateway.url)
        emitter.wait_until(lambda: status(port, "/") == 200, 30)
        yield found


def config(port: int, transport: str) -> str:
    ids = json.loads((SEEDLING / "generation_config.json").read_text("utf-8"))["eos_token_id"]
    return (
        f'[server]\ntransport = "{transport}"\n[[models]]\nname = "bench"\ntriton = "127.0.0.1:{port}"\n'
        f'tokenizer = "{SEEDLING}"\nmax_model_len = 100000\neos_token_ids = {ids if isinstance(ids, list) else [ids]}\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.fronts", description=__doc__)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=200, help="of each answer; ten times as many unpaced")
    parser.add_argument("--requests", type=int, default=1, help="of each stream, one after another")
    parser.add_argument("--runs", type=int, default=3, help="in turns; the median counts")
    parser.add_argument("--only", choices=("paced", "saturated"))
    arguments = parser.parse_args()
    uvloop.install()
    for name, gap, factor in (("paced", 50.0, 1), ("saturated", 0.0, 10)):
        if arguments.only in (None, name):
            table(name, gap, arguments.tokens * factor, arguments)


def table(name: str, gap: float, tokens: int, arguments: argparse.Namespace) -> None:
    """Runs one pace and prints it."""
    found: dict[str, list[Figures]] = {front: [] for front in FRONTS}
    with tempfile.TemporaryDirectory() as folder, fronts(Path(folder), tokens, gap) as running:
        for process, url in running.values():  # what is loaded late is loaded now
            measure(process, url, 8, 1, tokens)
        for number in range(arguments.runs):
            for front, (process, url) in running.items():
                print(
                    f"\r{name}: run {number + 1} of {arguments.runs}, {front}    ", end="", file=sys.stderr, flush=True
                )
                found[front].append(measure(process, url, arguments.streams, arguments.requests, tokens))
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    print(f"\n{name}: {arguments.streams} streams, {tokens} tokens each, median of {arguments.runs}")
    print(f"  {'front':<10}{'CPU µs/token':>14}{'× emitter':>11}{'TTFT p50/p99 ms':>20}{'gap p99 ms':>12}"
          f"{'tokens/s':>10}{'RSS MiB':>9}")  # fmt: skip
    floor = statistics.median(run.cpu for run in found["emitter"])
    for front, runs in found.items():
        middle = {key: statistics.median(getattr(run, key) for run in runs) for key in Figures.__slots__}
        print(
            f"  {front:<10}{middle['cpu']:>14.1f}{middle['cpu'] / floor:>11.2f}"
            f"{middle['ttft_p50']:>12.0f}/{middle['ttft_p99']:<7.0f}{middle['gap_p99']:>12.1f}"
            f"{middle['rate']:>10.0f}{middle['rss_mib']:>9.0f}"
        )


if __name__ == "__main__":
    main()
