"""What engines did, out of their journals, set against what clients saw. It reads files and knows no processes."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from loadtest.ask import Seen
from loadtest.engine.journal import Record


class Account:
    """The journals of all engines of a stage, from the moment it was made on.

    A journal that was put aside (its server was started anew) takes its unfinished generations with it.
    """

    def __init__(self, journals: Sequence[Path]) -> None:
        self._engines = [_Engine(path) for path in journals]

    def running(self, engine: int | None = None) -> list[str]:
        """Tags of generations that began and did not end, in all engines or in one."""
        engines = self._read()
        return [tag for each in (engines if engine is None else [engines[engine]]) for tag in each.open]

    def tokens_after_leaving(self, answers: Iterable[Seen]) -> int | None:
        """The most tokens that an engine made and a client that left did not read; None where nobody left."""
        made: dict[str, int] = {}
        for engine in self._read():
            made |= engine.ended
        return max((made[s.ask.name] - len(s.text) for s in answers if s.left and s.ask.name in made), default=None)

    def shares(self, tags: Collection[str]) -> list[int]:
        """How many of these generations each engine was given."""
        return [len(engine.begun.intersection(tags)) for engine in self._read()]

    def _read(self) -> list[_Engine]:
        for engine in self._engines:
            engine.read()
        return self._engines


class _Engine:
    """One journal, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file, self._offset = _state(path)
        self.begun: set[str] = set()
        self.open: dict[str, int] = {}  # tag → how often it runs: fail-over may bring one back
        self.ended: dict[str, int] = {}  # tag → tokens made

    def read(self) -> None:
        for record in self._new():
            tag = record["tag"]
            if record["event"] == "start":
                self.begun.add(tag)
                self.open[tag] = self.open.get(tag, 0) + 1
            elif record["event"] == "end":
                self.ended[tag] = record["emitted"]
                if tag in self.open and self.open[tag] == 1:
                    del self.open[tag]
                elif tag in self.open:
                    self.open[tag] -= 1

    def _new(self) -> Iterator[Record]:
        file, size = _state(self._path)
        if file != self._file:
            self._file, self._offset = file, 0
            self.open.clear()
        if size <= self._offset:
            return
        with self._path.open("rb") as journal:
            journal.seek(self._offset)
            data = journal.read()
        whole = data[: data.rfind(b"\n") + 1]  # a line without its end is still being written
        self._offset += len(whole)
        for line in whole.splitlines():
            yield json.loads(line)


def _state(path: Path) -> tuple[int, int]:
    """The file's number and size; zeros where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_ino, status.st_size
