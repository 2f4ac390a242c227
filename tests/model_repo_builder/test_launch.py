"""The launcher on a real tritonserver: it says why, it stops, and nothing is left behind."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from model_repo_builder.errors import LaunchError
from model_repo_builder.launch import Progress, TritonServer
from model_repo_builder.ports import Ports
from tests.support.triton import require
from tests.support.waiting import until

CONFIG = """
name: "m" backend: "python" max_batch_size: 1
input { name: "a" data_type: TYPE_INT32 dims: [1] } output { name: "b" data_type: TYPE_INT32 dims: [1] }
"""
MODEL = """
class TritonPythonModel:
    def initialize(self, args):
        {initialize}
    def execute(self, requests):
        return []
"""
DEADLINE = 60


def write_repository(folder: Path, initialize: str = "pass", config: str = CONFIG) -> Path:
    version = folder / "m" / "1"
    version.mkdir(parents=True)
    (folder / "m" / "config.pbtxt").write_text(config)
    (version / "model.py").write_text(MODEL.format(initialize=initialize))
    return folder


@pytest.fixture(autouse=True)
def _needs_a_tritonserver() -> None:
    require("pytriton")


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""  # it has just ended


def processes(repository: Path) -> list[str]:
    """The command lines of all processes that serve this repository: server, guard and helpers."""
    lines = (command_line(path) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [line for line in lines if str(repository) in line]


def leftovers(prefix: str) -> list[Path]:
    return [*Path("/dev/shm").glob(f"{prefix}*"), *Path("/tmp").glob(f"{prefix}*")]


def shm_prefix(log: str) -> str:
    found = re.search(r"qtg-[0-9a-f]{12}-", log)
    assert found, log
    return found[0]


def test_starts_serves_and_leaves_nothing(tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "repository")
    seen: list[Progress] = []
    with TritonServer.start(repository, ports=Ports.free()) as server:
        server.wait_ready(DEADLINE, seen.append)
        prefix = shm_prefix(" ".join(processes(repository)))
        with urllib.request.urlopen(f"http://{server.http_address}/v2/models/m/ready") as reply:
            assert reply.status == 200
        assert server.poll() is None
        assert leftovers(prefix)
    assert server.poll() == 0
    assert processes(repository) == []
    assert leftovers(prefix) == []
    assert seen
    assert {name for progress in seen for name in (*progress.models.loaded, *progress.models.waiting)} <= {"m"}


@pytest.mark.parametrize(
    ("initialize", "config", "words"),
    [
        pytest.param(
            "raise ValueError('it is gone')", CONFIG, "model m did not load: ValueError: it is gone$", id="raises"
        ),
        pytest.param("import os; os._exit(1)", CONFIG, "model m did not load: Stub process 'm_0", id="dies"),
        pytest.param("pass", 'name: "m" backend: ${backend}', "Expected string, got: \\$", id="unfilled config"),
        pytest.param(
            "pass", CONFIG.replace("python", "cuda"), "unable to find backend library for backend 'cuda'", id="backend"
        ),
    ],
)
def test_says_why_it_did_not_start(tmp_path: Path, initialize: str, config: str, words: str) -> None:
    repository = write_repository(tmp_path / "repository", initialize, config)
    with (
        TritonServer.start(repository, ports=Ports.free()) as server,
        pytest.raises(LaunchError, match=words) as caught,
    ):
        server.wait_ready(DEADLINE)
    assert "\n" not in str(caught.value)
    assert "failed to load all models" in caught.value.log
    assert processes(repository) == []


def test_says_what_it_still_waits_for(tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "repository", "import threading; threading.Event().wait()")
    with TritonServer.start(repository, ports=Ports.free()) as server:
        with pytest.raises(LaunchError, match="not ready after 1 s; still loading: m"):
            server.wait_ready(1)
        server.terminate()
        server.terminate()  # it is busy loading and does not listen to one
    assert processes(repository) == []


@pytest.mark.parametrize("name", ["grpc", "http", "metrics"])
def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path, name: str) -> None:
    repository = write_repository(tmp_path / "repository")
    free = Ports.free()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = Ports(**{"grpc": free.grpc, "http": free.http, "metrics": free.metrics, name: port})
        with pytest.raises(LaunchError, match=f"{name} port {port} .*choose another with --{name}-port"):
            TritonServer.start(repository, ports=ports)
    assert processes(repository) == []


def launch(repository: Path, ports: Ports, *flags: str) -> "subprocess.Popen[bytes]":
    """The command itself, when it has said that Triton is ready."""
    numbers = ["--grpc-port", str(ports.grpc), "--http-port", str(ports.http), "--metrics-port", str(ports.metrics)]
    command = [sys.executable, "-m", "model_repo_builder.cli", "launch", str(repository), *numbers, *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"Triton is ready"):
            return process
    raise AssertionError(f"the launcher ended with {process.wait()}")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGTERM, 0, id="SIGTERM"),
        pytest.param(signal.SIGINT, 0, id="Ctrl-C"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="the launcher is killed"),
    ],
)
def test_however_the_command_ends_nothing_is_left(tmp_path: Path, number: signal.Signals, code: int) -> None:
    repository = write_repository(tmp_path / "repository")
    with launch(repository, Ports.free()) as process:
        try:
            prefix = shm_prefix(" ".join(processes(repository)))
            assert leftovers(prefix)
            os.kill(process.pid, number)
            assert process.wait(DEADLINE) == code
        finally:
            process.kill()
    until(lambda: processes(repository) == [] and leftovers(prefix) == [], DEADLINE)


@pytest.mark.parametrize("hangs", [False, True], ids=["ends", "hangs"])
@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_crash_is_said_and_ends_it(tmp_path: Path, number: signal.Signals, hangs: bool) -> None:
    repository, log = write_repository(tmp_path / "repository"), tmp_path / "log"
    with launch(repository, Ports.free(), "--log-file", str(log)) as process:
        try:
            assert process.stderr is not None
            os.kill(server_of(repository), number)
            until(lambda: f"Signal ({number.value}) received.".encode() in log.read_bytes(), DEADLINE)
            if hangs:
                with contextlib.suppress(StopIteration, ProcessLookupError):  # it may have been faster
                    os.kill(server_of(repository), signal.SIGSTOP)
            said = process.stderr.read().decode("utf-8", "replace")
            assert process.wait(DEADLINE) == 1
        finally:
            process.kill()
    assert f"error: tritonserver crashed ({number.name}) and was ended" in said
    until(lambda: not processes(repository), DEADLINE)


def server_of(repository: Path) -> int:
    """The tritonserver itself: the process whose program has that name."""
    everyone = (
        path for path in Path("/proc").iterdir() if path.name.isdecimal() and str(repository) in command_line(path)
    )
    return next(int(path.name) for path in everyone if command_line(path).split()[0].endswith("/tritonserver"))
