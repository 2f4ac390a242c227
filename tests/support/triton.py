"""Real tritonservers for tests: built by the builder's command line, started by its launcher, on free ports.

The scripted Triton is a repository of the builder in which the engine's files are those of ``loadtest/engine``;
everything around the engine (preprocessing, postprocessing, ensemble, BLS, configuration) is what users get.

It knows the two commands and where the engine lies in a repository. It must not know what tests do with the server.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from loadtest.children import die_with_parent
from loadtest.engine import FOLDER as SCRIPTED_ENGINE
from loadtest.engine.journal import Journal
from model_repo_builder.ports import Ports
from model_repo_builder.triton_log import crash
from tests.support.absent import absent
from tests.support.tokenizer import TokenizerFolder

BUILDER = Path(sys.executable).with_name("model-repo-builder")
START_TIMEOUT = 120
SILENCE_SECONDS = 2  # of the scripted engine in a stream, after which BLS gives up


@dataclass(frozen=True, slots=True)
class Triton:
    """A tritonserver that is ready."""

    ports: Ports
    repository: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.ports.grpc}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.ports.metrics}/metrics"

    @property
    def gateway_toml(self) -> Path:
        return self.repository / "gateway.toml"

    def check(self) -> None:
        """Fails at once where the server crashed, rather than after the deadlines of each test that asks it."""
        check_running(self.process, self.log)


@dataclass(frozen=True, slots=True)
class ScriptedTriton(Triton):
    """A tritonserver whose engine does what the prompts say."""

    tokenizer: TokenizerFolder
    journal: Journal


def check_running(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Fails, with the end of its log, where a tritonserver that nobody ended crashed or ended."""
    said = log.read_bytes()
    tail = said[-4000:].decode("utf-8", "replace")
    assert crash(said) is None, f"tritonserver crashed in an earlier test:\n{tail}"
    assert process.poll() is None, f"tritonserver ended with {process.returncode}:\n{tail}"


def require(*modules: str) -> None:
    """Skip where an optional package is not installed; in CI that is a failure."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            absent(f"{module} is not installed: pip install 'qwen-triton-gateway[cpu,dev]'")


def build_repository(folder: Path, tokenizer: Path, model: Path, ports: Ports, *flags: str) -> Path:
    """The repository of the CPU engine, as ``model-repo-builder repo`` writes it."""
    return _build(folder, tokenizer, ports, "--engine", "openvino", "--model", str(model), *flags)


def build_engine_repository(folder: Path, tokenizer: Path, engine: Path, ports: Ports, *flags: str) -> Path:
    """The repository of a TensorRT engine, which only starts with its engine swapped."""
    return _build(folder, tokenizer, ports, "--engine", "trtllm", "--engine-dir", str(engine), *flags)


def _build(folder: Path, tokenizer: Path, ports: Ports, *flags: str) -> Path:
    command = [str(BUILDER), "repo", str(folder), "--tokenizer", str(tokenizer)]
    command += ["--triton-address", f"127.0.0.1:{ports.grpc}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return folder


def script_engine(repository: Path, tokenizer: Path, journal: Path) -> None:
    """Put the scripted engine in the engine's place; names, types and decoupling stay the builder's."""
    model = repository / "tensorrt_llm"
    set_parameters(model, scripted_tokenizer=str(tokenizer / "tokenizer.json"), scripted_journal=str(journal))
    # Triton loses an engine's error on its way to BLS once a stream has begun: only the silence after it shows.
    set_parameters(repository / "tensorrt_llm_bls", engine_silence_seconds=str(SILENCE_SECONDS))
    shutil.rmtree(model / "1")
    shutil.copytree(SCRIPTED_ENGINE, model / "1", ignore=shutil.ignore_patterns("__pycache__"))


def set_parameters(model: Path, **parameters: str) -> None:
    """Set parameters in a model's config.pbtxt, and leave the rest as the builder wrote it.

    A TensorRT engine's backend is not here: what stands in for the engine is Python.
    """
    path = model / "config.pbtxt"
    config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    if config.backend == "tensorrtllm":
        config.backend = "python"
    for name, value in parameters.items():
        config.parameters[name].string_value = value
    path.write_text(text_format.MessageToString(config, as_utf8=True), encoding="utf-8")


@contextlib.contextmanager
def running(
    repository: Path, ports: Ports, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """tritonserver on the repository, from its readiness to its end. ``environment``: added to ours."""
    command = [str(BUILDER), "launch", str(repository), "--verbose"]
    command += ["--grpc-port", str(ports.grpc), "--http-port", str(ports.http), "--metrics-port", str(ports.metrics)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            preexec_fn=die_with_parent,
        )
    try:
        _wait_until_ready(process, ports, log)
        yield process
    finally:
        # Its guard then kills the server at once. The gentle end takes a second for each Python instance, and the
        # launcher's own tests hold it.
        process.kill()
        process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", ports: Ports, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        while True:
            with contextlib.suppress(grpc.RpcError):
                if stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5).ready:
                    return
            tail = log.read_text(encoding="utf-8", errors="replace")[-4000:]
            assert process.poll() is None, f"tritonserver ended with {process.returncode}:\n{tail}"
            assert time.monotonic() < deadline, f"tritonserver is not ready after {START_TIMEOUT} s:\n{tail}"
            threading.Event().wait(0.05)  # readiness has nothing to wait on
