"""A real tritonserver with one small model, to be stopped, killed, started again, and asked over TLS.

It knows how tritonserver is started with flags that the builder's launcher does not have. It must not know what tests
do with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from loadtest.children import die_with_parent
from model_repo_builder.ports import Ports
from model_repo_builder.tritonserver import find_tritonserver, surroundings
from tests.support.processes import freeze
from tests.support.triton import check_running, require

MODEL = "meter"
START_SECONDS = 60
_CODE = Path(__file__).with_name("meter") / "model.py"


def write_meter(folder: Path, gauges: Mapping[str, Mapping[str, float]], *, inputs: tuple[str, ...] = ("in",)) -> Path:
    """The repository: a model that shows these gauges. ``inputs``: to make a model of another signature."""
    config = model_config_pb2.ModelConfig(name=MODEL, backend="python")
    for name in inputs:
        config.input.add(name=name, dims=[-1], data_type=model_config_pb2.TYPE_STRING, optional=name != "in")
    config.output.add(name="out", dims=[-1], data_type=model_config_pb2.TYPE_STRING)
    config.instance_group.add(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
    config.parameters["gauges"].string_value = json.dumps(gauges)
    version = folder / MODEL / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(_CODE.read_text("utf-8"), "utf-8")
    (folder / MODEL / "config.pbtxt").write_text(text_format.MessageToString(config), "utf-8")
    return folder


class LoneTriton:
    """One tritonserver on ports that stay its own over restarts."""

    def __init__(self, folder: Path, repository: Path, *flags: str, model: str = MODEL) -> None:
        require("pytriton")
        self.ports = Ports.free()
        self._folder, self._repository, self._flags, self._model = folder, repository, flags, model
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._killed = False
        self._shared = f"lone_{uuid.uuid4().hex[:12]}_"  # its shared memory, which it leaves behind when killed

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.ports.grpc}"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.ports.metrics}/metrics"

    @property
    def _log(self) -> Path:
        """Of the last start."""
        return self._folder / f"tritonserver-{self._starts}.log"

    def start(self) -> None:
        """Until it is ready, in a home of its own each time. From the main thread only: the kernel ends it with the
        thread that started it."""
        self._starts += 1
        self._killed = False
        home = self._folder / f"home-{self._starts}"
        home.mkdir()
        around = surroundings(installation := find_tritonserver(None, os.environ), home, os.environ)
        command = [str(installation.binary), "--model-repository", str(self._repository), *around.arguments]
        command += ["--grpc-port", str(self.ports.grpc), "--http-port", str(self.ports.http)]
        command += ["--metrics-port", str(self.ports.metrics), "--http-address", "127.0.0.1"]
        command += ["--model-control-mode", "explicit", "--load-model", self._model, "--exit-timeout-secs", "5"]
        command += ["--backend-config", f"python,shm-region-prefix-name={self._shared}", *self._flags]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **around.environment},
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers("v2/health/ready"):
            tail = self._log.read_text("utf-8", errors="replace")[-2000:]
            assert self._process.poll() is None, f"tritonserver ended with {self._process.returncode}:\n{tail}"
            assert time.monotonic() < deadline, f"tritonserver is not ready after {START_SECONDS} s:\n{tail}"
            threading.Event().wait(0.05)  # readiness has nothing to wait on

    def freeze(self) -> None:
        """It keeps its ports and connections, and answers nothing."""
        assert self._process is not None
        freeze(self._process)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9, and its end."""
        assert self._process is not None
        check_running(self._process, self._log)
        self._killed = True
        self._signal(signal.SIGKILL)
        self._wait()

    def load(self, loaded: bool) -> None:
        """Loads or unloads the model through Triton's repository API."""
        assert self._answers(f"v2/repository/models/{self._model}/{'load' if loaded else 'unload'}", b"{}")

    def end(self) -> None:
        """Fails where it ended by itself, which is why nothing that was asked of it since then had an answer."""
        try:
            if self._process is not None and not self._killed:
                check_running(self._process, self._log)
        finally:
            if self._process is not None and self._process.poll() is None:
                self._signal(signal.SIGCONT)
                self._signal(signal.SIGTERM)
                self._wait()
            for left in Path("/dev/shm").glob(f"{self._shared}*"):
                left.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self, path: str, body: bytes | None = None) -> bool:
        url = f"http://127.0.0.1:{self.ports.http}/{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@contextlib.contextmanager
def lone_triton(folder: Path, repository: Path, *flags: str, model: str = MODEL) -> Iterator[LoneTriton]:
    """One that is ready, and is ended however it was left."""
    triton = LoneTriton(folder, repository, *flags, model=model)
    try:
        triton.start()
        yield triton
    finally:
        triton.end()
