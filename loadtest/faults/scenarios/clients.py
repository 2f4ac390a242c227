"""Clients that hurt: slow ones, ones that leave, too many of them."""

from __future__ import annotations

import asyncio
import contextlib
import random

from loadtest.ask import CHAT, Seen
from loadtest.faults.result import Result
from loadtest.faults.scenario import Scenario
from loadtest.faults.stage import Stage, Watch
from loadtest.polling import wait_until
from loadtest.processes import Gateway
from loadtest.summary import percentile

_PACE_MS = 50.0
# Two checks of the engine's (100 ms each), 300 ms of the gateway's, and what a busy machine adds.
_TOKENS_AFTER = 20


async def disconnects(stage: Stage, name: str) -> Result:
    """Clients that leave at random moments, from before the first token to near the end."""
    watch = Watch(stage, stage.gateway(1))
    generator = random.Random(6)
    count = stage.scale.of(300, 5000)
    asks = (
        stage.ask(tokens=40, delay_ms=_PACE_MS, first_ms=20, leave_after=generator.uniform(0.0, 1.0))
        for _ in range(count)
    )
    # Few enough that the engine, a Python model, is not the bottleneck: what is late then is late for its own reasons.
    await watch.play(asks, clients=stage.scale.of(16, 32))
    in_flight = await _in_flight(watch.gateway)
    return await watch.result(
        name,
        tokens_after_most=stage.scale.of(None, _TOKENS_AFTER),
        goals=[(in_flight == 0, f"the gateway still counts {in_flight:.0f} requests in flight")],
    )


async def one_byte_a_second(stage: Stage, name: str) -> Result:
    """Readers that take a byte a second, and clients beside them who must not notice."""
    watch = Watch(stage, stage.gateway(1))
    alone = await watch.play(stage.asks(stage.scale.of(20, 60)), clients=4)
    seconds = stage.scale.of(4.0, 20.0)
    # Enough bytes to fill what the kernel holds, and few enough tokens that the engine has time for the others.
    readers, pace_ms = stage.scale.of((2, 5.0), (8, 10.0))
    slow = [
        asyncio.ensure_future(
            watch.client.ask(
                stage.ask(tokens=1500, delay_ms=pace_ms, read_bytes=1, read_every=1.0, leave_after=seconds)
            )
        )
        for _ in range(readers)
    ]
    await asyncio.sleep(seconds / 4)
    beside = await watch.play(stage.asks(stage.scale.of(20, 60)), clients=4)
    slow_seen = await asyncio.gather(*slow)
    dropped = sum(not seen.left for seen in slow_seen)
    leaked = await watch.settled()
    return await watch.result(
        name,
        remarks=[
            f"{len(slow_seen)} slow readers for {seconds:.0f} s, {dropped} of them dropped by the gateway",
            f"p99 of the others {_p99(alone):.0f} ms alone, {_p99(beside):.0f} ms beside them",
        ],
        goals=[
            (all(s.good for s in alone + beside), "clients beside the slow readers were hurt"),
            (not leaked, "a slow reader's generation did not end when it left"),
        ],
    )


async def slow_loris(stage: Stage, name: str) -> Result:
    """Connections that send a request a byte at a time, heads and bodies, and never finish."""
    watch = Watch(stage, stage.gateway(1))
    alone = await watch.play(stage.asks(stage.scale.of(20, 60)), clients=4)
    seconds = stage.scale.of(4.0, 20.0)
    count = stage.scale.of(60, 400)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n".encode()
    begins = [head, head + b"content-length: 500\r\n\r\n"] * (count // 2)
    loris = [asyncio.ensure_future(_trickle(watch.gateway.port, begin, seconds)) for begin in begins]
    await asyncio.sleep(seconds / 4)
    beside = await watch.play(stage.asks(stage.scale.of(20, 60)), clients=4)
    closed = sum(await asyncio.gather(*loris))
    return await watch.result(
        name,
        remarks=[
            f"{count} connections, {closed} of them closed by the gateway within {seconds:.0f} s",
            f"p99 of the others {_p99(alone):.0f} ms alone, {_p99(beside):.0f} ms beside them",
        ],
        goals=[(all(s.good for s in alone + beside), "clients beside the slow ones were hurt")],
    )


async def _trickle(port: int, begin: bytes, seconds: float) -> bool:
    """Whether the server closed the connection before the time was up."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(begin)
        while loop.time() < until:
            writer.write(b"x")
            with contextlib.suppress(asyncio.TimeoutError):
                while await asyncio.wait_for(reader.read(4096), min(0.5, max(0.01, until - loop.time()))):
                    pass
                return True
    except OSError:
        return True
    finally:
        writer.close()
    return False


async def _in_flight(gateway: Gateway) -> float:
    """What the gateway itself counts, once it had time to notice."""

    def count() -> float:
        return gateway.metric("gateway_requests_in_flight")

    await wait_until(lambda: count() == 0, 10)
    return await asyncio.to_thread(count)


def _p99(answers: list[Seen]) -> float:
    """Of the end, in milliseconds."""
    return (percentile(sorted(s.seconds for s in answers), 0.99) or 0.0) * 1000


SCENARIOS = (
    Scenario("disconnects", "5,000 clients that leave at random moments", disconnects, timeout=300),
    Scenario("one-byte-a-second", "readers that take one byte a second", one_byte_a_second),
    Scenario("slow-loris", "connections that send a byte at a time and never finish", slow_loris),
)
