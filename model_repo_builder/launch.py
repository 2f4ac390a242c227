"""One running tritonserver, or the ranks of one: started, watched until it is ready, stopped, nothing left behind.

    with TritonServer.start(repository, ports=Ports.free()) as server:
        server.wait_ready(60)

Knows processes, ports and Triton's readiness endpoint. Must not know models: what the log says of them is for
showing only. A guard process (``guard``) stands between, so that the server ends even if this process is
killed.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO

from model_repo_builder.deployment import Official
from model_repo_builder.errors import LaunchError
from model_repo_builder.official_launcher import argv, launcher
from model_repo_builder.ports import Ports, address, check_ports
from model_repo_builder.triton_log import Loading, crash, loading, reason
from model_repo_builder.tritonserver import check_llmapi_launch, find_mpirun, find_tritonserver, surroundings

_POLL_SECONDS = 0.1
# For running requests. Unloading alone takes Triton 2 s for each instance of a BLS.
EXIT_TIMEOUT_SECONDS = 30
_LISTENERS = ("grpc", "http", "metrics")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Progress:
    elapsed: float
    models: Loading


class TritonServer:
    """A started server. Leaving the ``with`` block stops it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        lifeline: int,
        folder: Path,
        log: IO[bytes],
        host: str,
        ports: Ports,
    ) -> None:
        self._process = process
        self._folder = folder
        self._lifeline = lifeline
        self._log = log
        self._searched = 0
        self._crash: int | None = None
        self.host = host
        self.ports = ports

    @classmethod
    def start(
        cls,
        repository: Path,
        *,
        ports: Ports | None = None,
        host: str = "127.0.0.1",
        tritonserver: Path | None = None,
        log_file: Path | None = None,
        arguments: Iterable[str] = (),
        official: Official | None = None,
        environment: Mapping[str, str] = _NOTHING,
    ) -> TritonServer:
        """Returns as soon as the process runs; the models are still loading then."""
        ports = ports or Ports()
        check_repository(repository)
        installation = find_tritonserver(tritonserver, os.environ)
        mpirun = find_mpirun(os.environ) if official and not official.options.no_mpi else "mpirun"
        if official and official.options.llmapi_launch:
            check_llmapi_launch(os.environ)
        check_ports(host, ports)
        prefix = f"qtg-{secrets.token_hex(6)}-"
        log = _open_log(log_file)
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        try:
            around = surroundings(installation, folder, os.environ)
            extra = (
                *(item for name in _LISTENERS for item in (f"--{name}-address", host)),
                *(() if _has_exit_timeout(official) else ("--exit-timeout-secs", str(EXIT_TIMEOUT_SECONDS))),
                *around.arguments,
                *arguments,
            )
            if official is None:
                command = _plain(installation.binary, repository.resolve(), ports, prefix, extra)
            else:
                options = replace(
                    official.options,
                    model_repository=str(repository.resolve()),
                    tritonserver=str(installation.binary),
                    mpirun=mpirun,
                    ports=ports,
                    exit_timeout=EXIT_TIMEOUT_SECONDS if _has_exit_timeout(official) else None,
                    shm_prefix=prefix,
                    extra=extra,
                )
                command = list(argv(official.release, options))
            together = {**os.environ, **around.environment, **environment}
            process, lifeline = _guarded(command, prefix, folder, together, log)
        except BaseException:
            log.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(process, lifeline, folder, log, host, ports)

    def wait_ready(self, timeout: float, progress: Callable[[Progress], None] | None = None) -> None:
        """Returns when every model can be called. Otherwise a LaunchError with the reason out of the log."""
        start = time.monotonic()
        while not self.ready():
            elapsed = time.monotonic() - start
            if progress is not None:
                progress(Progress(elapsed, loading(self.log_text())))
            code = self.wait_for(_POLL_SECONDS)
            if code is not None:
                raise self.did_not_start(code)
            if elapsed > timeout:
                raise self.not_ready_after(timeout)

    def did_not_start(self, code: int) -> LaunchError:
        log = self.log_text()
        why = reason(log) or f"it ended with exit code {code} and named no reason"
        return LaunchError(f"tritonserver did not start: {why}", log)

    def not_ready_after(self, timeout: float) -> LaunchError:
        log = self.log_text()
        waiting = ", ".join(loading(log).waiting) or "nothing that the log names"
        return LaunchError(f"tritonserver was not ready after {timeout:.0f} s; still loading: {waiting}", log)

    def ready(self) -> bool:
        """Whether every model can be called."""
        connection = http.client.HTTPConnection(self.http_address, timeout=2)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == 200 and self.poll() is None
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def log_text(self) -> str:
        """All that the server wrote so far."""
        return self.log_bytes().decode("utf-8", "replace")

    def log_bytes(self, start: int = 0) -> bytes:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), max(0, size - start), start)

    def crash(self) -> int | None:
        """The signal that the log says it crashed by. It may hang then: its handler may wait for a lock for ever."""
        if self._crash is None:
            new = self.log_bytes(self._searched)
            self._crash = crash(new)
            self._searched += new.rfind(b"\n") + 1  # the rest of the last line may still come
        return self._crash

    @property
    def grpc_address(self) -> str:
        return address(self.host, self.ports.grpc)

    @property
    def http_address(self) -> str:
        return address(self.host, self.ports.http)

    @property
    def metrics_address(self) -> str:
        return address(self.host, self.ports.metrics)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Blocks until the server ends; its exit code."""
        return self._process.wait()

    def wait_for(self, seconds: float) -> int | None:
        """The exit code if the server ends within that time, or None."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Asks it to end: running requests may finish. Asked a second time it is killed."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it by force, at once: the guard does so when the pipe closes."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def stop(self) -> int:
        """Ends it, by force where asking does not help, and returns when nothing of it is left. Its exit code."""
        if self.wait_for(0) is None:
            self.terminate()
            if self.wait_for(EXIT_TIMEOUT_SECONDS + 5) is None:
                self.terminate()
        code = self._process.wait()
        self.kill()  # of the guard's pipe there is only this end left
        shutil.rmtree(self._folder, ignore_errors=True)  # the guard may have ended before it could
        return code

    def __enter__(self) -> TritonServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()


def check_repository(repository: Path) -> None:
    if not repository.is_dir():
        raise LaunchError(f"{repository} does not exist: build it with `model-repo-builder repo {repository} ...`")
    if not any(repository.glob("*/config.pbtxt")):
        raise LaunchError(f"{repository} is no model repository: no folder in it has a config.pbtxt")


def _plain(binary: Path, repository: Path, ports: Ports, prefix: str, extra: Iterable[str]) -> list[str]:
    return [
        str(binary),
        *("--model-repository", str(repository)),
        *(item for name in _LISTENERS for item in (f"--{name}-port", str(getattr(ports, name)))),
        *("--backend-config", f"python,shm-region-prefix-name={prefix}"),
        "--disable-auto-complete-config",
        *extra,
    ]


def _has_exit_timeout(official: Official | None) -> bool:
    """Whether the official composition has a place of its own for it."""
    return official is not None and "exit_timeout" in launcher(official.release).options


def _guarded(
    command: list[str], prefix: str, folder: Path, environment: dict[str, str], log: IO[bytes]
) -> tuple[subprocess.Popen[bytes], int]:
    """The guard as a process, and the end of the pipe that keeps it going."""
    environment.setdefault("HF_HUB_OFFLINE", "1")  # a model that is served is on this machine
    environment.setdefault("TOKENIZERS_PARALLELISM", "false")
    guarded, lifeline = os.pipe()
    try:
        process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                str(Path(__file__).with_name("guard.py")),
                str(guarded),
                prefix,
                str(folder),
                "--",
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(guarded,),
            start_new_session=True,  # Ctrl-C in a terminal reaches this process alone, which then passes it on once
        )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(guarded)
    return process, lifeline


def _open_log(path: Path | None) -> IO[bytes]:
    if path is None:
        return tempfile.TemporaryFile()  # has no name, so nothing has to remove it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w+b")
    except OSError as error:
        raise LaunchError(f"log file {path} cannot be written: {error.strerror}") from error
