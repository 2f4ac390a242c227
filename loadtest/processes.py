"""Real processes for load and faults: tritonservers with the scripted engine, gateways. All end with the context.

It knows the commands and when each is ready. It must not know scenarios. A tritonserver is started through the
builder's launcher, whose guard ends it even if this process is killed; everything else dies with its parent.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from loadtest.children import start
from loadtest.engine.control import Mood, set_mood
from loadtest.engine_repository import MAX_MODEL_LEN, MODEL, SEEDLING, NotStarted, build_engine, build_load, program
from loadtest.measurement import family
from model_repo_builder.launch import TritonServer
from model_repo_builder.ports import Ports, free_port


class Triton:
    """One tritonserver with the scripted engine alone, which may be killed and started again on the same ports."""

    _arguments: Sequence[str] = ("--model-control-mode=explicit", f"--load-model={MODEL}")

    def __init__(self, folder: Path, *, slots: int = 0, lean: bool = True) -> None:
        self.folder = folder
        self.journal = folder / "journal.jsonl"
        self.ports = Ports.free()
        self._control = folder / "mood.json"
        self._repository = folder / "repository"
        self._server: TritonServer | None = None
        self._lives = 0
        self._build(slots, lean)

    def _build(self, slots: int, lean: bool) -> None:
        build_engine(self._repository, journal=self.journal, control=self._control, slots=slots, lean=lean)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports.grpc}"

    def launch(self) -> None:
        """Starts it; ``wait`` says when it is ready."""
        self._server = TritonServer.start(
            self._repository, ports=self.ports, log_file=self.folder / "triton.log", arguments=self._arguments
        )

    def wait(self, timeout: float = 60) -> None:
        assert self._server is not None
        self._server.wait_ready(timeout)

    def start(self) -> None:
        self.launch()
        self.wait()

    def ready(self) -> bool:
        """Whether its model can be asked."""
        return bool(self.pids) and status(self.ports.http, f"/v2/models/{MODEL}/ready") == 200

    @property
    def pids(self) -> list[int]:
        """tritonserver first, then its model's process; none when it is not running."""
        if self._server is None or self._server.poll() is not None:
            return []
        return family(self._server._process.pid)[1:]  # the first is the guard

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory is out; returns when it is gone."""
        _send(self.pids[:1], signal.SIGKILL)
        self.stop()

    def freeze(self) -> None:
        _send(self.pids, signal.SIGSTOP)

    def thaw(self) -> None:
        _send(self.pids, signal.SIGCONT)

    def mood(self, mood: Mood) -> None:
        set_mood(self._control, mood)

    def load_model(self, *, load: bool) -> None:
        """Asks Triton's repository API to load or unload the engine's model."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports.http, timeout=30)
        try:
            verb = "load" if load else "unload"
            connection.request("POST", f"/v2/repository/models/{MODEL}/{verb}", body=b"{}")
            reply = connection.getresponse()
            if reply.status != 200:
                raise NotStarted(f"Triton refused to {verb} {MODEL}: {reply.read()[:300]!r}")
        finally:
            connection.close()

    def stop(self) -> None:
        """Asks it to end, as an operator does. Its journal is put aside: nothing in it runs any more."""
        if self._server is not None:
            self.thaw()
            with self._server:
                pass
            self._server = None
            if self.journal.exists():
                self._lives += 1
                self.journal.rename(self.journal.with_suffix(f".{self._lives}"))


class LoadTriton(Triton):
    """One tritonserver with every route, and with the engine for load: so many processes of it."""

    _arguments = ()

    def __init__(self, folder: Path, *, instances: int) -> None:
        self._instances = instances
        super().__init__(folder)

    def _build(self, slots: int, lean: bool) -> None:
        build_load(self._repository, instances=self._instances)


class Process:
    """A child that is ready when ``ready`` says so, and that does not outlive us."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command, self.log = list(command), log
        self.environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        with self.log.open("ab") as output:
            self._process = start(self.command, stdout=output, stderr=subprocess.STDOUT, environment=self.environment)

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                words = self.log.read_text("utf-8", "replace")[-3000:]
                raise NotStarted(f"{self.command[0]} is not ready within {timeout} s:\n{words}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        return family(self.pid) if self.running else []

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def wait(self, timeout: float) -> int | None:
        """The exit code if it ends within that time."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout)
        return None

    def stop(self, timeout: float = 10) -> None:
        """Asks, then kills it and all that came from it."""
        if self._process is None:
            return
        self.signal(signal.SIGTERM)
        if self.wait(timeout) is None:
            _send(self.pids, signal.SIGKILL)
            self._process.wait()


class Gateway(Process):
    """``gateway serve`` as users start it, on a port of its own."""

    def __init__(self, folder: Path, config: str, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.config = folder / f"gateway-{self.port}.toml"
        self.config.write_text(config, "utf-8")
        command = [*program("gateway"), "serve", "--config", str(self.config), "--port", str(self.port), *flags]
        super().__init__(command, folder / f"gateway-{self.port}.log", environment=environment)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, timeout: float = 60) -> None:
        """Returns when it is ready: when every model of it can be asked."""
        self.launch()
        self.wait_until(lambda: self.status("/readyz") == 200, timeout)

    def status(self, path: str) -> int:
        return status(self.port, path)

    def get(self, path: str) -> str:
        """The body of a reply, which must be a good one."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as reply:
            return str(reply.read().decode())

    def states(self) -> dict[str, str]:
        """What it thinks of each Triton of its first model: address → state."""
        models = json.loads(self.get("/debug/endpoints"))
        return {each["address"]: each["state"] for each in next(iter(models.values()))}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's values, 0 where it was never touched."""
        lines = [line for line in self.get("/metrics").splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        matching = [line for line in lines if all(f'{key}="{value}"' in line for key, value in labels.items())]
        return sum(float(line.rpartition(" ")[2]) for line in matching)


def model_toml(tritons: Sequence[Triton], *, name: str = "scripted", more: str = "") -> str:
    """A [[models]] table for the scripted engine behind these servers. ``more``: lines of it."""
    addresses = [triton.address for triton in tritons]
    where = json.dumps(addresses[0] if len(addresses) == 1 else addresses)
    ids = json.loads((SEEDLING / "generation_config.json").read_text("utf-8"))["eos_token_id"]
    return (
        f'[[models]]\nname = "{name}"\nroute = "direct"\ntriton = {where}\ntokenizer = "{SEEDLING}"\n'
        f"max_model_len = {MAX_MODEL_LEN}\neos_token_ids = {ids if isinstance(ids, list) else [ids]}\n{more}\n"
    )


def status(port: int, path: str) -> int:
    """Of a GET on this machine; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself in between
            os.kill(pid, number)
