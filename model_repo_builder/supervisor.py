"""Several tritonservers as one: started together, watched, told to end together, and one exit code for all.

Knows when a server is ready and when it ended, and what that means for the others. Must not know commands, and
prints nothing: ``Shown`` is told.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Protocol

from model_repo_builder.errors import LaunchError
from model_repo_builder.launch import EXIT_TIMEOUT_SECONDS, Progress, TritonServer
from model_repo_builder.triton_log import loading

_ROUND_SECONDS = 0.1
_PATIENCE_SECONDS = EXIT_TIMEOUT_SECONDS + 5
# For the stack that a server that crashed writes. It ends by itself then, or never.
_CRASH_SECONDS = 3
_CRASHED = (
    "tritonserver crashed ({}) and was ended; what it was answering is lost. Start it again. If it happens again, the "
    "end of its log says where; two of them outlive a crash of one (--instances 2 --keep-going)"
)


class Shown(Protocol):
    """Who is told what happens, by the name of the instance."""

    def output(self, name: str, server: TritonServer) -> None: ...

    def loading(self, name: str, progress: Progress) -> None: ...

    def ready(self, name: str, server: TritonServer) -> None: ...

    def lost(self, name: str, error: LaunchError) -> None: ...


class Supervisor:
    """``run`` returns when every server has ended; ``terminate`` may be called from a signal handler."""

    def __init__(
        self,
        starts: Mapping[str, Callable[[], TritonServer]],
        shown: Shown,
        *,
        timeout: float,
        keep_going: bool = False,
    ) -> None:
        self._starts = starts
        self._shown = shown
        self._timeout = timeout
        self._keep_going = keep_going
        self._alive: dict[str, TritonServer] = {}
        self._loading: set[str] = set()
        self._asked: set[str] = set()
        self._stopping = False
        self._patience = math.inf
        self._crashed: dict[str, float] = {}
        self._code = 0

    def terminate(self) -> None:
        """Asks all servers to end; asked again, or after the time that Triton gives requests, they are killed."""
        self._stopping = True
        self._patience = time.monotonic() + _PATIENCE_SECONDS
        for name in tuple(self._alive):
            self._ask(name)

    def run(self) -> int:
        with ExitStack() as stack:
            try:
                self._start(stack)
                began = time.monotonic()
                while self._alive:
                    for name, server in tuple(self._alive.items()):
                        self._look(name, server, time.monotonic() - began)
                return self._code
            finally:
                self._end()

    def _start(self, stack: ExitStack) -> None:
        for name, start in self._starts.items():
            if self._stopping:
                break
            self._alive[name] = stack.enter_context(start())
            self._loading.add(name)
        if self._stopping:  # the signal may have come while the last of them was being started
            for name in self._alive.keys() - self._asked:
                self._ask(name)

    def _ask(self, name: str) -> None:
        self._asked.add(name)
        if self._alive[name].poll() is None:
            self._alive[name].terminate()

    def _look(self, name: str, server: TritonServer, elapsed: float) -> None:
        code = server.wait_for(_ROUND_SECONDS / len(self._alive))
        self._shown.output(name, server)
        if code is not None:
            self._ended(name, server, code)
        elif server.crash() is not None:
            if time.monotonic() > self._crashed.setdefault(name, time.monotonic() + _CRASH_SECONDS):
                server.kill()
        elif time.monotonic() > self._patience:
            server.terminate()  # one that was asked is killed
        elif name in self._loading:
            if server.ready():
                self._loading.discard(name)
                self._shown.ready(name, server)
            elif elapsed > self._timeout and not self._stopping:
                error = server.not_ready_after(self._timeout)
                self._kill(server)
                self._lose(name, error)
            else:
                self._shown.loading(name, Progress(elapsed, loading(server.log_text())))

    def _ended(self, name: str, server: TritonServer, code: int) -> None:
        if self._stopping:
            del self._alive[name]
            self._code = self._code or code
        elif (number := server.crash()) is not None:
            self._lose(name, LaunchError(_CRASHED.format(signal.Signals(number).name), server.log_text()))
        elif name in self._loading:
            self._lose(name, server.did_not_start(code))
        else:
            self._lose(name, LaunchError(f"tritonserver ended by itself with exit code {code}", server.log_text()))

    def _lose(self, name: str, error: LaunchError) -> None:
        """One is gone that nobody asked to end."""
        del self._alive[name]
        self._loading.discard(name)
        if len(self._starts) > 1:
            error = LaunchError(f"{name}: {error}", error.log)
        if not self._keep_going or not self._alive:
            raise error
        self._code = 1
        self._shown.lost(name, error)

    def _kill(self, server: TritonServer) -> None:
        """It is busy loading, and would not listen to being asked."""
        server.kill()
        server.wait()

    def _end(self) -> None:
        """All at once, so that the time they are given runs once."""
        for name in self._alive.keys() - self._asked:
            self._ask(name)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for server in self._alive.values():
            server.wait_for(max(0.0, deadline - time.monotonic()))
