"""Several serving processes on one port, and the parent that keeps them: started, replaced, told of settings, ended.

The parent knows processes, signals and settings; it serves nothing, and must not load what serving needs. uvicorn's own
supervisor is not used: it replaces what crashes without a pause, repeats the error of every worker that cannot start,
applies new settings by ending workers, and leaves values of dead workers in the metrics.

Each worker has a socket of its own on the port (see ``listening``), which the parent holds too: connections that wait
there outlive a crash, and are served by who comes next. New ones go to the other workers meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator

from gateway import __version__
from gateway.child import Child
from gateway.core.backoff import delay_seconds
from gateway.core.errors import SettingsError
from gateway.listening import deal_to, listen_each
from gateway.reload import SettingsFile

logger = logging.getLogger("gateway")

TICK_SECONDS = 1.0
SUSPECT_TICKS = 10  # of silence of a worker, which says that it lives every 5 s; then it gets no new connections
SILENT_TICKS = 30  # of silence, after which its event loop will not turn again
STEADY_SECONDS = 30.0  # of serving, after which a crash is the first again
PATIENCE_SECONDS = 10.0  # beyond the times of the settings, for workers to end


class StartFailed(Exception):
    """A worker could not start, and none ever served. ``code`` is the exit code, the text for the terminal."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Workers:
    """The parent."""

    def __init__(self, source: SettingsFile) -> None:
        self._source = source
        self._settings = source.settings
        self._offered = source.settings
        self._workers: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._served = False
        self._announced = False
        self._folder = ""
        self._live: list[int] = []

    def run(self) -> int:
        """Until a signal. The exit code."""
        server = self._settings.server
        listeners = listen_each(server.host, server.port, server.workers)
        self._workers = [Child(index, listener) for index, listener in enumerate(listeners)]
        self._folder = tempfile.mkdtemp(prefix="gateway-metrics-")
        try:
            with self._catching(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                try:
                    while not {signal.SIGTERM, signal.SIGINT} & set(self._signals):
                        self._tick()
                except StartFailed as failure:
                    print(failure.text, file=sys.stderr)
                    return failure.code
                finally:
                    self._end()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        logger.info("gateway stopped")
        return 0

    def _tick(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.process is None and now >= worker.start_at:
                self._start(worker)
        waited = self._wait(TICK_SECONDS)
        for worker in self._workers:
            if waited and worker.serving_since is not None and worker.process is not None:
                worker.silent_ticks += 1
                if worker.silent_ticks > SILENT_TICKS:
                    logger.error("worker %d does not answer and is killed", worker.index)
                    worker.process.kill()
        self._deal()
        if self._source.changed() or signal.SIGHUP in self._signals:
            self._signals = [number for number in self._signals if number != signal.SIGHUP]
            self._reload()

    def _wait(self, seconds: float) -> bool:
        """Reads what workers say and sees who ended. True where the whole time passed with nothing."""
        events = self._selector.select(seconds)
        for key, _ in events:
            if key.data is None:
                os.read(key.fd, 4096)  # only wakes
            else:
                self._hear(key.data)
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is not None:
                self._ended(worker)
        return not events

    def _start(self, worker: Child) -> None:
        self._selector.register(worker.start(self._settings, self._folder), selectors.EVENT_READ, worker)

    def _lines(self, worker: Child) -> list[bytes]:
        """What a worker says; nothing where its line is closed, and then nobody listens to it any more."""
        lines = worker.lines()
        if lines is None and worker.control is not None:
            self._selector.unregister(worker.control)
            worker.hang_up()
        return lines or []

    def _hear(self, worker: Child) -> None:
        worker.silent_ticks = 0
        for line in self._lines(worker):
            self._said(worker, line)

    def _said(self, worker: Child, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        if word == b"serving":
            worker.serving_since = time.monotonic()
            self._served = True
            self._announce()
        elif word == b"changed":
            self._settings = self._offered  # a worker that is replaced starts with what works
        elif word == b"failed":
            failure = json.loads(rest)
            if not self._served:
                raise StartFailed(failure["text"], failure["code"])
            logger.error("worker %d could not start: %s", worker.index, failure["text"])

    def _announce(self) -> None:
        if self._announced or any(worker.serving_since is None for worker in self._workers):
            return
        self._announced = True
        host, port = self._workers[0].listener.getsockname()[:2]
        names = ", ".join(self._settings.names)
        logger.info(
            "gateway %s on %s://%s:%d, models: %s, workers: %d",
            __version__, self._settings.server.scheme, host, port, names, len(self._workers),
        )  # fmt: skip
        keys = self._settings.keys
        if keys.file and not keys.redis and len(self._workers) > 1:
            logger.warning(
                "each of the %d workers counts the limits of keys by itself, so a key may use more than its limits; "
                "set redis in [keys] to count them together",
                len(self._workers),
            )

    def _ended(self, worker: Child) -> None:
        process, now = worker.process, time.monotonic()
        assert process is not None
        while worker.control is not None:  # its last words
            self._hear(worker)
        worker.process = None
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
        if not self._served:
            raise StartFailed(f"gateway: a worker ended with {how} before it served, and said nothing.", 1)
        self._forget_gauges(worker)
        steady = worker.serving_since is not None and now - worker.serving_since > STEADY_SECONDS
        worker.crashes = 1 if steady else worker.crashes + 1
        wait = delay_seconds(worker.crashes)
        worker.start_at = now + wait
        logger.error("worker %d ended with %s; replaced in %.1f s", worker.index, how, wait)

    def _deal(self) -> None:
        """New connections go to those that serve and answer."""
        live = [
            worker.index
            for worker in self._workers
            if worker.process and worker.serving_since is not None and worker.silent_ticks < SUSPECT_TICKS
        ]
        if live != self._live:
            self._live = live
            deal_to([worker.listener for worker in self._workers], live)

    def _forget_gauges(self, worker: Child) -> None:
        """What it had in flight is over; what it counted stays counted."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self._folder, f"gauge_livesum_{worker.index}.db"))

    def _reload(self) -> None:
        try:
            self._offered = self._source.read()
        except SettingsError as error:
            logger.error("the settings stay as they were: %s", error.message)
            return
        for worker in self._workers:
            worker.send(self._offered)

    def _end(self) -> None:
        """Ends all workers: in steps, and those of them that do not come to an end by force."""
        server = self._settings.server
        deadline = time.monotonic() + server.drain_seconds + server.grace_seconds + PATIENCE_SECONDS
        for worker in self._workers:
            worker.listener.close()  # a worker's own copy is then the last
        asked = 0
        while running := [worker.process for worker in self._workers if worker.process and worker.running]:
            presses = max(1, sum(number in (signal.SIGTERM, signal.SIGINT) for number in self._signals))
            if asked < presses:
                asked += 1
                for process in running:
                    process.terminate()
            elif time.monotonic() > deadline:
                logger.error("%d workers did not end and are killed", len(running))
                for process in running:
                    process.kill()
            for key, _ in self._selector.select(TICK_SECONDS):
                if key.data is None:
                    os.read(key.fd, 4096)
                else:
                    self._lines(key.data)
        for worker in self._workers:
            worker.hang_up()
        self._selector.close()

    @contextlib.contextmanager
    def _catching(self, *numbers: signal.Signals) -> Iterator[None]:
        """Signals are noted, and wake the selector."""
        reader, writer = socket.socketpair()
        with reader, writer:
            writer.setblocking(False)
            self._selector.register(reader, selectors.EVENT_READ, None)
            before = {
                number: signal.signal(number, lambda caught, _: self._signals.append(caught)) for number in numbers
            }
            wakeup = signal.set_wakeup_fd(writer.fileno())
            try:
                yield
            finally:
                signal.set_wakeup_fd(wakeup)
                for number, handler in before.items():
                    signal.signal(number, handler)
