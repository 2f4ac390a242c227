"""Where a bench runs: one stand-in, the emitter, and gateways in front of the stand-in, each started when first wanted.

It knows what must be there for a measurement. It must not know what is measured. All ends with the ``with`` block.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from loadtest.ask import CHAT
from loadtest.bench.figures import Figures, Job
from loadtest.bench.fronts import Emitter, StandIn, config, emitter_path, record, run
from loadtest.bench.replay import Pace
from loadtest.processes import Gateway, Process
from loadtest.progress import Progress

P = TypeVar("P", bound=Process)

EMITTER, TURN = "emitter", "emitter, a turn each"
FLOORS = (EMITTER, TURN)
_RECORDED_TOKENS = 36
_WARM_TOKENS = 20


class Place:
    """``quick``: less of everything, to see that all of it works."""

    def __init__(self, folder: Path, progress: Progress, *, runs: int = 3, quick: bool = False) -> None:
        self.folder, self.progress, self.runs, self.quick = folder, progress, runs, quick
        self._stack = ExitStack()
        self._stand_in: StandIn | None = None
        self._gateways: dict[str, Gateway] = {}
        self._emitter: Emitter | None = None

    def __enter__(self) -> Place:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def keep(self, process: P) -> P:
        """Ends with this place at the latest."""
        self._stack.callback(process.stop)
        return process

    @property
    def stand_in(self) -> StandIn:
        if self._stand_in is None:
            self.progress.tell("starting the stand-in for Triton")
            self._stand_in = self._stack.enter_context(StandIn(Pace(0.005)))
        return self._stand_in

    def gateway(self, transport: str) -> Gateway:
        """In front of the stand-in, warm."""
        if transport not in self._gateways:
            self._gateways[transport] = self.fresh(transport)
        return self._gateways[transport]

    def fresh(self, transport: str, *flags: str) -> Gateway:
        """One that has served little so far; ``stop`` it when it is done with."""
        port = self.stand_in.port
        self.progress.tell(f"starting a gateway, {transport}")
        gateway = self.keep(Gateway(self.folder, config(port, transport), *flags))
        gateway.start()
        self.stand_in.pace(Pace(0.005))
        run(Job((gateway.url,), 8, 16, _WARM_TOKENS))
        return gateway

    @property
    def emitter(self) -> Emitter:
        if self._emitter is None:
            gateway = self.gateway("h2")
            self.progress.tell("starting the emitter")
            self.stand_in.pace(Pace(0.005))
            self._emitter = self.keep(Emitter(self.folder, record(gateway, _RECORDED_TOKENS)))
            self._emitter.start()
            run(Job((self._emitter.url,), 8, 16, _WARM_TOKENS, emitter_path(_WARM_TOKENS, Pace(0.005))))
        return self._emitter

    def measure(
        self,
        front: str,
        pace: Pace,
        *,
        streams: int,
        requests: int,
        tokens: int,
        hold: float | None = None,
        rate: float | None = None,
        seed: int = 1,
    ) -> Figures:
        """One run of a front end by its name: a floor, or a transport of the gateway."""
        if front in FLOORS:
            process: Process = self.emitter
            url, path = self.emitter.url, emitter_path(tokens, pace, turn=front == TURN)
        else:
            gateway = self.gateway(front)
            process, url, path = gateway, gateway.url, CHAT
        self.stand_in.pace(pace)
        behind = () if front in FLOORS else (self.stand_in.pid,)
        job = Job(
            (url,),
            streams,
            requests,
            tokens,
            path,
            hold=hold,
            rate=rate,
            seed=seed,
            pids=tuple(process.pids),
            behind=behind,
        )
        return run(job)[0]
