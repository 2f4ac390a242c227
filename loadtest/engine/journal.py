"""The scripted engine's journal: one JSON object per line, written by the engine, read by tests.

Every record has ``event``, ``tag``, ``time`` (seconds, wall clock) and ``emitted`` (tokens sent so far).
Events of one request:

    start     the request arrived: ``id`` and ``tensors`` {name: {dtype, shape, values}}
    first     the first tokens were sent
    hang      the script hangs from here
    cancel    the engine saw that the client is gone (``how``: "grpc" or "stop")
    end       the last response was sent; ``reason`` is end, stop_word, length, cancel or error

It knows the form of the file. It must not know Triton.
"""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class JournalWriter:
    """Appends records; many threads share one."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the model is loaded
        self._lock = threading.Lock()

    def write(self, event: str, tag: str, **more: Any) -> None:
        record = {"event": event, "tag": tag, "time": time.time(), **more}
        line = json.dumps(record, default=bytes.decode)  # strings of Triton are bytes
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        self._file.close()


class Journal:
    """Reads what the engine wrote; waits for what it has not written yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self, tag: str | None = None, event: str | None = None) -> list[Record]:
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A line without its newline is still being written.
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [
            record
            for record in found
            if (tag is None or record["tag"] == tag) and (event is None or record["event"] == event)
        ]

    def wait_for(self, tag: str, event: str, timeout: float = 10) -> Record:
        """The first record of that event; fails the test with what was seen instead when time is up."""
        return self.wait_until(lambda: next(iter(self.records(tag, event)), None), timeout, f"{tag}: {event}")

    def tensors(self, tag: str, timeout: float = 10) -> dict[str, Any]:
        """Values of every tensor that the engine received for this tag."""
        record = self.wait_for(tag, "start", timeout)
        return {name: tensor["values"] for name, tensor in record["tensors"].items()}

    def wait_until(self, look: Callable[[], Record | None], timeout: float, what: str) -> Record:
        deadline = time.monotonic() + timeout
        while True:
            record = look()
            if record is not None:
                return record
            if time.monotonic() > deadline:
                seen = [(each["tag"], each["event"]) for each in self.records()[-20:]]
                raise AssertionError(f"the engine did not journal {what!r} within {timeout} s; last seen: {seen}")
            threading.Event().wait(0.005)  # a file has nothing to wait on
