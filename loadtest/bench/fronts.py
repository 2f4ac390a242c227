"""What a bench asks, started and ended here: the stand-in for Triton, the emitter, gateways; and one run against them.

It knows commands and configurations. It must not know what is measured with them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.request import Request, urlopen

from loadtest.ask import CHAT, chat
from loadtest.bench.figures import Figures, Job, figures
from loadtest.bench.replay import Pace
from loadtest.children import start
from loadtest.engine_repository import SEEDLING, NotStarted
from loadtest.processes import Gateway, Process, status
from model_repo_builder.ports import free_port

MODEL = "bench"
_RUN_SECONDS = 300


class BrokenRun(Exception):
    """A run without figures; the text says what was seen instead."""


class StandIn:
    """A stand-in for Triton. Leaving the ``with`` block ends it; so does the end of this process."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        command = [sys.executable, "-m", "loadtest.bench.stand_in", "--gap-ms", str(pace.gap * 1000)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.port = int(self._line())

    @property
    def pid(self) -> int:
        return self._process.pid

    def pace(self, pace: Pace) -> None:
        """Of requests from now on."""
        if pace != self._pace:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(asdict(pace)) + "\n")
            self._process.stdin.flush()
            self._line()
            self._pace = pace

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            raise NotStarted("the stand-in for Triton ended; its message above says why")
        return line


@contextlib.contextmanager
def stand_in(tokens: int, gap_ms: float) -> Iterator[int]:
    """The port of a stand-in for Triton. Each request gets as many tokens as it asks for, whatever ``tokens`` is."""
    with StandIn(Pace(gap_ms / 1000)) as server:
        yield server.port


def config(port: int | Sequence[int], transport: str) -> str:
    """Of a gateway in front of stand-ins on these ports."""
    ids = json.loads((SEEDLING / "generation_config.json").read_text("utf-8"))["eos_token_id"]
    addresses = [f"127.0.0.1:{each}" for each in ([port] if isinstance(port, int) else port)]
    return (
        f'[server]\ntransport = "{transport}"\n[[models]]\nname = "{MODEL}"\nroute = "direct"\n'
        f'triton = {json.dumps(addresses)}\ntokenizer = "{SEEDLING}"\nmax_model_len = 1000000\n'
        f"eos_token_ids = {ids if isinstance(ids, list) else [ids]}\n"
    )


def record(gateway: Gateway, tokens: int) -> bytes:
    """The frames of one answer as this gateway sends them. The stand-in must be paced: each token is a frame then."""
    body = chat(MODEL, "Hello", max_tokens=tokens)
    request = Request(gateway.url + CHAT, data=body, headers={"content-type": "application/json"})
    with urlopen(request, timeout=60) as reply:
        return bytes(reply.read())


class Emitter(Process):
    """The emitter with these frames."""

    def __init__(self, folder: Path, frames: bytes) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        recorded = folder / f"frames-{self.port}.sse"
        recorded.write_bytes(frames)
        command = [sys.executable, "-m", "loadtest.bench.emitter", "--frames", str(recorded), "--port", str(self.port)]
        super().__init__(command, folder / f"emitter-{self.port}.log")

    def start(self) -> None:
        self.launch()
        self.wait_until(lambda: status(self.port, "/?tokens=1") == 200, 30)


def emitter_path(tokens: int, pace: Pace, *, turn: bool = False) -> str:
    """What to ask the emitter for an answer like the stand-in's."""
    more = ("&steps=1" if pace.steps else "") + ("&turn=1" if turn else "")
    return f"{CHAT}?tokens={tokens}&gap={pace.gap}{more}"


def run(*jobs: Job) -> list[Figures]:
    """Each job in a client process of its own, all at once. BrokenRun where an answer was not a good one."""
    with contextlib.ExitStack() as stack:
        clients = []
        for job in jobs:
            command = [sys.executable, "-m", "loadtest.bench.client", json.dumps(asdict(job))]
            client = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.callback(client.wait)
            stack.callback(client.kill)
            clients.append(client)
        return [_figures(client) for client in clients]


def _figures(client: subprocess.Popen[str]) -> Figures:
    try:
        output, errors = client.communicate(timeout=_RUN_SECONDS)
    except subprocess.TimeoutExpired:
        raise BrokenRun(f"a run took more than {_RUN_SECONDS} s; is the server still there?") from None
    if client.returncode:
        raise BrokenRun(f"the client failed:\n{errors[-2000:]}")
    found = figures(json.loads(output))
    if found.failed:
        raise BrokenRun(f"answers failed: {found.failed}; the first one: {found.error or 'cut without a word'}")
    return found
