"""What stands beside and in front of the gateway fails: a worker, nginx's upstreams in turn, Redis, the clock."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from loadtest.engine_repository import program
from loadtest.faults.result import Result
from loadtest.faults.scenario import NotHere, Scenario
from loadtest.faults.stage import SETTINGS, Stage, Watch
from loadtest.processes import Gateway, Process, Triton, model_toml, status
from loadtest.proxies import Nginx
from model_repo_builder.ports import free_port

# As deploy/proxies.md asks of gateways behind a proxy, in less time.
_DRAIN = "[server]\ndrain_seconds = 2\n"
_CLOCK = """\
import time

real = time.time

def time_now():
    try:
        with open({path!r}) as file:
            return real() + float(file.read() or 0)
    except (OSError, ValueError):
        return real()

time.time = time_now
"""


async def worker_killed(stage: Stage, name: str) -> Result:
    """One of two workers is killed. Its streams are cut, nobody else's are, and it is replaced."""
    gateway = stage.gateway(2, SETTINGS, "--workers", "2")
    watch = Watch(stage, gateway)
    clients = 12
    replaced = 0.0

    def fault(_: Triton) -> None:
        nonlocal replaced
        before = _workers(gateway)
        os.kill(before[0], signal.SIGKILL)
        began = time.monotonic()
        while len(set(_workers(gateway)) - set(before)) < 1 and time.monotonic() < began + 30:
            time.sleep(0.05)
        replaced = time.monotonic() - began

    await watch.play_with(
        stage.asks_for(stage.scale.of(6, 12), tokens=20, delay_ms=20), fault, clients=clients, after=1.0
    )
    bad = [seen for seen in watch.answers if not seen.good]
    later = await watch.play(stage.asks(12), clients=4)
    return await watch.result(
        name,
        savable=lambda seen: seen.status == 0 and seen.kind == "refused",
        cuts="streams of the killed worker are cut: nobody is left to send an error frame",
        remarks=[f"a new process {replaced:.1f} s later"],
        goals=[
            (len(bad) <= clients, f"{len(bad)} of {clients} clients' answers were bad: more than one each"),
            (replaced < 30, "the worker was not replaced within 30 s"),
            (all(seen.good for seen in later), "answers were bad after the replacement"),
        ],
    )


def _workers(gateway: Gateway) -> list[int]:
    """The children of the first process that serve; multiprocessing's own helpers are not among them."""
    found = []
    for pid in gateway.pids[1:]:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"gateway.worker" in command:
            found.append(pid)
    return found


async def rolling_restart(stage: Stage, name: str) -> Result:
    """Two gateways behind the nginx of deploy/ are restarted in turn, under load: nobody notices."""
    if Nginx.find() is None:
        raise NotHere(f"nginx is not installed: {Nginx.package}")
    other = stage.keep(Gateway(stage.folder, model_toml(stage.tritons) + SETTINGS + _DRAIN))
    pair = await asyncio.gather(
        asyncio.to_thread(stage.gateway, 3, SETTINGS + _DRAIN), asyncio.to_thread(_started, other)
    )
    nginx = stage.keep(Nginx(stage.folder, [f"127.0.0.1:{gateway.port}" for gateway in pair], left_out_seconds=4))
    await asyncio.to_thread(nginx.start)
    watch = Watch(stage, pair[1], url=nginx.url)
    over = asyncio.Event()

    def fault(_: Triton) -> None:
        for gateway in pair:
            gateway.signal(signal.SIGTERM)
            if gateway.wait(40) is None:
                raise TimeoutError("the gateway did not end within 40 s of SIGTERM")
            gateway.start()
            size = gateway.log.stat().st_size
            # Not before nginx asks it again may the next one go.
            gateway.wait_until(lambda: b" POST " in gateway.log.read_bytes()[size:], 20)  # noqa: B023

    def asks() -> Iterator[object]:
        while not over.is_set():
            yield stage.ask(tokens=30, delay_ms=30)

    async def turn() -> None:
        try:
            await asyncio.sleep(1.0)
            await watch.strike(fault)
            await asyncio.sleep(1.0)
        finally:
            over.set()

    async def health_check() -> None:
        """As a container's: by it nginx learns who is not ready."""
        while not over.is_set():
            await asyncio.to_thread(status, nginx.port, "/readyz")
            await asyncio.sleep(0.2)

    await asyncio.gather(watch.play(asks(), clients=10), turn(), health_check())  # type: ignore[arg-type]
    await asyncio.to_thread(nginx.stop)
    result = await watch.result(
        name,
        savable=lambda seen: True,
        remarks=[f"both restarted while {len(watch.answers)} answers were streamed"],
    )
    await asyncio.to_thread(other.stop)
    return result


def _started(gateway: Gateway) -> Gateway:
    gateway.start()
    return gateway


async def redis_killed(stage: Stage, name: str) -> Result:
    """Limits are counted in Redis, which is killed and comes back; the setting says that requests go on."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise NotHere("redis-server is not installed: apt-get install redis-server")
    port = free_port()
    redis = stage.keep(
        Process([binary, "--port", str(port), "--save", "", "--bind", "127.0.0.1"], stage.folder / "redis.log")
    )
    redis.launch()
    keys = stage.folder / f"keys-{port}.toml"
    header = (("authorization", f"Bearer {await asyncio.to_thread(_new_key, keys)}"),)
    settings = (
        f'[keys]\nfile = "{keys}"\nopen = ["/readyz", "/metrics"]\nredis = "redis://127.0.0.1:{port}/0"\n'
        'redis_away = "open"\n'
    )
    gateway = stage.gateway(2, SETTINGS + settings)
    watch = Watch(stage, gateway)
    seconds = stage.scale.of(2.0, 6.0)

    def fault(_: Triton) -> None:
        redis.signal(signal.SIGKILL)
        redis.wait(5)
        time.sleep(seconds)
        redis.launch()

    asks = stage.asks_for(2 * seconds + 2, tokens=20, delay_ms=20, headers=header)
    await watch.play_with(asks, fault, clients=12, after=1.0)
    result = await watch.result(name, savable=lambda seen: True, remarks=[f"away for {seconds:.0f} s"])
    await asyncio.to_thread(gateway.stop)
    await asyncio.to_thread(redis.stop)
    return result


def _new_key(file: Path) -> str:
    command = [*program("gateway"), "keys", "new", "client", "--file", str(file), "--requests-per-minute", "1000000"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


async def clock_jumps(stage: Stage, name: str) -> Result:
    """The gateway's wall clock jumps an hour ahead and a day back; its monotonic clock does not, as on a machine.

    Python's clock is moved, inside the gateway's process, by a module that Python imports at its start.
    """
    folder = stage.folder / "clock"
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    clock = folder / "offset"
    await asyncio.to_thread(clock.write_text, "0")
    await asyncio.to_thread((folder / "sitecustomize.py").write_text, _CLOCK.format(path=str(clock)))
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path}
    gateway = stage.keep(Gateway(stage.folder, model_toml(stage.tritons[:2]) + SETTINGS, environment=environment))
    await asyncio.to_thread(gateway.start)
    watch = Watch(stage, gateway)

    def fault(_: Triton) -> None:
        for jump in (3600, -86400, 0):
            clock.write_text(str(jump))
            time.sleep(2.5)  # uvicorn looks at it once a second

    await watch.play_with(stage.asks_for(10, tokens=20, delay_ms=20), fault, clients=8, after=1.0)
    dates = {seen.headers.get("date", "")[:16] for seen in watch.answers}
    result = await watch.result(
        name,
        savable=lambda seen: True,
        remarks=[f"its replies were of {len(dates)} days"],
        goals=[(len(dates) > 1, "the clock did not jump")],
    )
    await asyncio.to_thread(gateway.stop)
    return result


SCENARIOS = (
    Scenario("worker-killed", "kill -9 of one of two workers under load", worker_killed, short=False),
    Scenario(
        "rolling-restart", "two gateways behind nginx are restarted in turn under load", rolling_restart, timeout=300
    ),
    Scenario("redis-killed", "kill -9 of the Redis that counts limits, then a restart", redis_killed, short=False),
    Scenario("clock-jumps", "the wall clock jumps an hour ahead, a day back, and home", clock_jumps, short=False),
)
