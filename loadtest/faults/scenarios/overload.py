"""More requests than can be served: who is admitted is served well, the rest is refused at once."""

from __future__ import annotations

import asyncio

from loadtest.ask import Seen
from loadtest.faults.result import Result
from loadtest.faults.scenario import Scenario
from loadtest.faults.stage import SETTINGS, Stage, Watch
from loadtest.load import open_loop
from loadtest.summary import percentile

_SLOTS = 8
_TOKENS, _DELAY_MS = 25, 30.0
_LIMITS = SETTINGS.replace(
    "[balance]\n", f"[admission]\nqueue_requests = {_SLOTS // 2}\n[balance]\nmax_requests = {_SLOTS}\n"
)
_REFUSED = ("429", "503")
_REFUSED_MS = 50.0
_SLOWER = 2.0


async def burst(stage: Stage, name: str) -> Result:
    """Ten times what one Triton serves, for some seconds, in an open loop: refusals do not slow the clients down."""
    watch = Watch(stage, stage.gateway(1, _LIMITS))
    alone = await watch.play(stage.asks(_SLOTS * stage.scale.of(2, 8), **_answer()), clients=_SLOTS)
    alone = [seen for seen in alone if seen.good]
    service = _p99(alone) or 1.0
    rate = 10 * _SLOTS / service
    count = int(rate * stage.scale.of(2.0, 12.0))
    watch.fault_at = asyncio.get_running_loop().time()
    seen = await open_loop(watch.client, stage.asks(count, **_answer()), rate=rate)
    watch.answers += seen
    admitted = [each for each in seen if each.good]
    refused = [each for each in seen if each.kind in _REFUSED]
    other = [each for each in seen if not each.good and each.kind not in _REFUSED]
    unsaid = [s for s in refused if not 0 < int(s.headers.get("retry-after", "0")) <= 60]
    late = sorted(each.seconds * 1000 for each in refused)
    p99 = _p99(admitted) or 0.0
    measured = []
    if not stage.scale.short:  # a shared machine that runs tests says nothing about milliseconds
        measured = [
            (p99 <= _SLOWER * service, f"p99 of the admitted is {p99 / service:.1f} × the unloaded one (goal: 2)"),
            ((percentile(late, 0.99) or 0) < _REFUSED_MS, "refusals took 50 ms or more"),
        ]
    return await watch.result(
        name,
        savable=lambda each: each in other,
        recovery=max((each.ended for each in seen), default=0.0) - max((each.sent for each in seen), default=0.0),
        remarks=[
            f"p99 unloaded {service * 1000:.0f} ms, admitted {p99 * 1000:.0f} ms",
            f"refused in {percentile(late, 0.5) or 0:.0f} ms, p99 {percentile(late, 0.99) or 0:.0f} ms",
            "recovery is from the last request to the last answer",
        ],
        goals=[
            (bool(refused), "nobody was refused: it was no overload"),
            (bool(admitted), "nobody was admitted"),
            (not unsaid, f"{len(unsaid)} refusals without Retry-After ≤ 60"),
            *measured,
        ],
    )


def _answer() -> dict[str, float]:
    return {"tokens": _TOKENS, "delay_ms": _DELAY_MS}


def _p99(answers: list[Seen]) -> float | None:
    return percentile(sorted(each.seconds for each in answers), 0.99)


SCENARIOS = (Scenario("burst", "ten times the capacity of a Triton at once", burst),)
