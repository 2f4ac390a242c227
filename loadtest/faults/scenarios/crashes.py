"""A Triton is killed, stopped, restarted, or loses its model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from loadtest.ask import Seen
from loadtest.faults.result import Result
from loadtest.faults.scenario import Scenario
from loadtest.faults.stage import Stage, Watch
from loadtest.processes import Triton


async def _one_of_three(
    stage: Stage,
    name: str,
    fault: Callable[[Triton], object],
    *,
    after: float,
    seconds: float,
    clients: int = 18,
    tokens: int = 30,
    delay_ms: float = 20,
    first_ms: float = 0,
) -> Result:
    """Clients keep asking while something happens to one of three."""
    watch = Watch(stage, stage.gateway(3))
    await watch.warm()
    asks = stage.asks_for(seconds, tokens=tokens, delay_ms=delay_ms, first_ms=first_ms)
    await watch.play_with(asks, fault, clients=clients, after=after)
    before, later = _around(watch)
    remarks = [f"{watch.hit} ran there; {len(before)} asked before the fault, {len(later)} after it"]
    goals = [
        (bool(later), "nobody asked after the fault: the run was too short"),
        (watch.hit > 0, "nothing ran where the fault was"),
    ]
    return await watch.result(name, remarks=remarks, goals=goals)


def _around(watch: Watch) -> tuple[list[Seen], list[Seen]]:
    at = watch.fault_at or 0.0
    return [s for s in watch.answers if s.sent < at], [s for s in watch.answers if s.sent >= at]


async def killed_idle(stage: Stage, name: str) -> Result:
    watch = Watch(stage, stage.gateway(3))
    await watch.warm()
    await watch.play(stage.asks(12), clients=6)
    await watch.strike(Triton.kill)
    await watch.play(stage.asks(stage.scale.of(30, 200)), clients=6)
    return await watch.result(name)


async def killed_before_first(stage: Stage, name: str) -> Result:
    watch = Watch(stage, stage.gateway(3))
    await watch.warm()
    asks = stage.asks(24, first_ms=1000)
    await watch.play_with(asks, Triton.kill, clients=24, after=0.7)
    return await watch.result(
        name, remarks=[f"{watch.hit} waited there"], goals=[(watch.hit > 0, "nothing waited where the fault was")]
    )


async def killed_midstream(stage: Stage, name: str) -> Result:
    return await _one_of_three(stage, name, Triton.kill, after=1.0, seconds=stage.scale.of(3, 10))


async def restarted(stage: Stage, name: str) -> Result:
    def fault(triton: Triton) -> None:
        triton.stop()
        triton.start()

    return await _one_of_three(stage, name, fault, after=1.0, seconds=stage.scale.of(6, 15))


async def frozen(stage: Stage, name: str) -> Result:
    seconds = stage.scale.of(4.0, 10.0)

    def fault(triton: Triton) -> None:
        triton.freeze()
        time.sleep(seconds)
        triton.thaw()

    return await _one_of_three(stage, name, fault, after=1.0, seconds=seconds + stage.scale.of(4, 8))


async def unloaded(stage: Stage, name: str) -> Result:
    def fault(triton: Triton) -> None:
        triton.load_model(load=False)

    return await _one_of_three(stage, name, fault, after=1.0, seconds=stage.scale.of(3, 8))


async def the_only_one_killed(stage: Stage, name: str) -> Result:
    """Nothing can be saved while the only Triton is away: clear errors, and service as soon as it is back."""
    watch = Watch(stage, stage.gateway(1))
    asks = stage.asks_for(2.5, tokens=60, delay_ms=20)
    await watch.play_with(asks, Triton.kill, clients=8, after=1.0)
    away = [seen for seen in watch.answers if not seen.good and seen.first is None]
    unclear = [s for s in away if s.status not in (502, 503) or not 0 < int(s.headers.get("retry-after", "0")) <= 60]
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(stage.tritons[0].start)
    back = loop.time()
    for _ in range(300):
        if (await watch.play(stage.asks(1), clients=1))[0].good or loop.time() > back + 30:
            break
        await asyncio.sleep(0.1)
    recovery = loop.time() - back
    return await watch.result(
        name,
        savable=lambda seen: False,
        recovery=recovery,
        remarks=["recovery is from Triton's readiness to the first answer"],
        goals=[
            (bool(away), "nobody asked while it was away: the run was too short"),
            (not unclear, f"{len(unclear)} refusals without 503 and Retry-After ≤ 60"),
            (recovery < 15, "no answer within 15 s of Triton's readiness"),
        ],
    )


SCENARIOS = (
    Scenario("kill-idle", "kill -9 one of three while nobody asks", killed_idle),
    Scenario(
        "kill-before-first", "kill -9 one of three while its requests wait for their first token", killed_before_first
    ),
    Scenario("kill-midstream", "kill -9 one of three under load", killed_midstream),
    Scenario("restart", "one of three is stopped and started again under load", restarted, short=False),
    Scenario("freeze", "SIGSTOP of one of three for 10 s, then SIGCONT", frozen, short=False),
    Scenario("unload", "the model of one of three is unloaded under load", unloaded, short=False),
    Scenario("kill-only", "kill -9 of the only Triton mid-stream, then a restart", the_only_one_killed),
)
