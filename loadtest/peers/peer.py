"""What a front end under measurement is: how it is installed, how it is started, and what it does for a token.

It knows the shape only; the ones there are stand in ``catalog``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.ask import CHAT
from loadtest.bench.replay import Pace
from loadtest.peers.environments import Environment, Wanted
from loadtest.processes import Process

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """The same for all. ``tokens``: of each answer; ``floor``: the front end that the others are compared with."""

    name: str
    pace: Pace
    tokens: int
    streams: int = 64
    floor: str = "emitter"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a front end is started, and what is there for it."""

    folder: Path  # for its settings and its log
    load: Load
    worker_port: int  # of the worker that emits in OpenAI's format and in Triton's
    triton_port: int  # of the stand-in for Triton, gRPC
    frames: bytes  # of an answer as the gateway sends it
    environment: Environment | None = None  # its own; None for what is of this project

    def program(self, name: str) -> str:
        assert self.environment is not None
        return self.environment.program(name)


@dataclass(frozen=True, slots=True)
class Running:
    """``process`` alone is measured: what else was started for it is its engine."""

    process: Process
    url: str
    path: str = CHAT


Start = Callable[[Place, contextlib.ExitStack], Running]


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    start: Start  # returns when it is ready; what it starts ends with the stack
    does: str  # for each token, in this measurement
    wanted: Wanted | None = None
    distribution: str = ""  # whose version is told
    by_name: bool = False  # measured only where it is asked for
    load: str = ""  # the name of the only load that it makes sense under


class Served(Process):
    """Ends with all that it started, even where its children outlive it: they are of its process group."""

    def stop(self, timeout: float = 10) -> None:
        super().stop(timeout)
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def served(folder: Path, stack: contextlib.ExitStack, name: str, command: list[str], **environment: str) -> Served:
    """Launched; its log is ``name.log``."""
    process = Served(command, folder / f"{name}.log", environment=environment)
    stack.callback(process.stop)
    process.launch()
    return process


def write_json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), "utf-8")
    return path
