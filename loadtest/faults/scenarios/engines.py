"""A Triton that answers, with an engine that does not do what it should."""

from __future__ import annotations

import time

from loadtest.engine.control import Mood
from loadtest.faults.result import Result
from loadtest.faults.scenario import Scenario
from loadtest.faults.stage import Stage, Watch
from loadtest.processes import Triton
from loadtest.summary import percentile


async def _mood(stage: Stage, name: str, mood: Mood, *, seconds: float, tokens: int = 30) -> Result:
    """One of three has a mood under load, and loses it before the end."""
    watch = Watch(stage, stage.gateway(3))
    await watch.warm()

    def fault(triton: Triton) -> None:
        triton.mood(mood)
        time.sleep(seconds * 0.6)
        triton.mood(Mood())

    asks = stage.asks_for(seconds, tokens=tokens, delay_ms=20)
    await watch.play_with(asks, fault, clients=18, after=1.0)
    return await watch.result(
        name, remarks=[f"{watch.hit} ran there"], goals=[(watch.hit > 0, "nothing ran where the fault was")]
    )


async def raises(stage: Stage, name: str) -> Result:
    return await _mood(stage, name, Mood(fail=True), seconds=stage.scale.of(4, 12))


async def hangs(stage: Stage, name: str) -> Result:
    return await _mood(stage, name, Mood(hang=True), seconds=stage.scale.of(6, 15))


async def slower(stage: Stage, name: str) -> Result:
    """Two Tritons, one five times slower: the fast one gets more of the work."""
    watch = Watch(stage, stage.gateway(2))
    stage.tritons[0].mood(Mood(slower=5))
    seen = await watch.play(stage.asks_for(stage.scale.of(4, 15), tokens=20, delay_ms=20), clients=16)
    slow, fast, *_ = watch.account.shares({each.ask.name for each in seen})
    ends = sorted(each.seconds for each in seen if each.good)
    p99 = percentile(ends, 0.99)
    return await watch.result(
        name,
        remarks=[f"slow got {slow}, fast {fast}", f"p50 {percentile(ends, 0.5) or 0:.2f} s, p99 {p99 or 0:.2f} s"],
        goals=[(fast > slow, "the slow Triton was given as much as the fast one")],
    )


SCENARIOS = (
    Scenario("engine-raises", "the engine of one of three fails every request for some seconds", raises),
    Scenario("engine-hangs", "the engine of one of three emits nothing for some seconds", hangs, short=False),
    Scenario("half-slow", "one of two Tritons answers five times slower", slower, short=False),
)
