"""One run: a client in a process of its own, so that who measures costs nothing meanwhile.

    python -m loadtest.bench.client '{"urls": ["http://127.0.0.1:9000"], "streams": 64, "requests": 64, "tokens": 200}'

prints the figures as JSON. It reads the CPU clocks of the processes it was told of itself, at the moments that count:
when all streams are going, and before the first one ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import uvloop

from loadtest.ask import Ask, Seen, chat
from loadtest.bench.figures import Distribution, Figures, Job
from loadtest.client import Client, Tally
from loadtest.load import closed_loop, open_loop
from loadtest.measurement import cpu_seconds, rss_bytes

_LOOK_SECONDS = 0.05
_SETTLE_SECONDS = 1.0  # after the last one has begun, until what waited meanwhile is sent
_LOOK_MEMORY = 4  # every so many looks


class Watch:
    """Looks at processes while the load runs. The steady part is from the first look at which all streams have begun
    to the last one at which none has ended."""

    def __init__(self, job: Job, tally: Tally) -> None:
        self._job, self._tally = job, tally
        self._all_going = asyncio.Event()
        self._settled: float | None = None
        self.before = self.most = rss_bytes(job.pids)
        self._from: tuple[float, int, float] | None = None
        self._to: tuple[float, int, float] | None = None

    @property
    def steady(self) -> tuple[float, int, float]:
        """CPU seconds, frames, seconds."""
        if self._from is None or self._to is None:
            return 0.0, 0, 0.0
        return self._to[0] - self._from[0], self._to[1] - self._from[1], self._to[2] - self._from[2]

    async def hold(self, seconds: float, clients: Sequence[Client]) -> None:
        """Ends the run when all streams have been going for so long."""
        await self._all_going.wait()
        await asyncio.sleep(seconds)
        for client in clients:
            client.leave()

    async def look(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            looks += 1
            tally = self._tally
            if tally.ended == 0 and tally.begun == self._job.streams:
                now = cpu_seconds(self._job.pids), tally.frames, time.monotonic()
                if self._settled is None:
                    self._settled = now[2] + (_SETTLE_SECONDS if self._job.hold is not None else 0.0)
                if now[2] < self._settled:
                    continue
                self._from = self._from or now
                self._all_going.set()
                self._to = now
            if looks % _LOOK_MEMORY == 0:
                self.most = max(self.most, rss_bytes(self._job.pids))


async def run(job: Job) -> Figures:
    tally = Tally()
    clients = [Client(url, tally=tally) for url in job.urls]
    body = chat(job.model, job.prompt, max_tokens=job.tokens)
    watch = Watch(job, tally)
    looking = [asyncio.ensure_future(watch.look())]
    if job.hold is not None:
        looking.append(asyncio.ensure_future(watch.hold(job.hold, clients)))
    cpu, behind, own = cpu_seconds(job.pids), cpu_seconds(job.behind), cpu_seconds([os.getpid()])
    try:
        seen = await _all(job, clients, body)
    finally:
        for task in looking:
            task.cancel()
        for client in clients:
            client.close()
    cpu, behind, own = cpu_seconds(job.pids) - cpu, cpu_seconds(job.behind) - behind, cpu_seconds([os.getpid()]) - own
    steady_cpu, steady_frames, steady_seconds = watch.steady
    bad = [each for each in seen if not (each.good or (each.left and job.hold is not None))]
    frames = sum(each.frames for each in seen)
    kinds = [each.kind for each in bad]
    return Figures(
        requests=len(seen),
        tokens=len(seen) * job.tokens if job.hold is None else frames,  # a paced token is a frame
        frames=frames,
        bytes=sum(each.bytes for each in seen),
        seconds=max(each.ended for each in seen) - min(each.sent for each in seen),
        cpu=cpu,
        behind_cpu=behind,
        client_cpu=own,
        ttft=Distribution.of([each.ttft for each in seen if each.ttft is not None]),
        # Not the first gap: a paced server lets streams that began together part there.
        gap=Distribution.of([gap for each in seen for gap in each.gaps[1:]]),
        steady_cpu=steady_cpu,
        steady_frames=steady_frames,
        steady_seconds=steady_seconds,
        rss_before=watch.before,
        rss_most=watch.most,
        failed={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        error=bad[0].error[:300] if bad else "",
    )


async def _all(job: Job, clients: list[Client], body: bytes) -> list[Seen]:
    share = len(clients)

    def asks(number: int) -> Iterator[Ask]:
        return (Ask(body, path=job.path, timeout=300) for _ in range(_part(job.requests, number, share)))

    loops = []
    for number, client in enumerate(clients):
        if job.rate:
            loops.append(open_loop(client, asks(number), rate=job.rate / share, seed=job.seed + number))
        else:
            loops.append(closed_loop(client, asks(number), clients=_part(job.streams, number, share)))
    return [seen for each in await asyncio.gather(*loops) for seen in each]


def _part(whole: int, number: int, parts: int) -> int:
    return whole // parts + (number < whole % parts)


def main() -> None:
    given = json.loads(sys.argv[1])
    job = Job(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})  # type: ignore[arg-type]
    print(json.dumps(asdict(uvloop.run(run(job)))))


if __name__ == "__main__":
    main()
