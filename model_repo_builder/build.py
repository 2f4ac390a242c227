"""Carries out the stages of a build, one after the other: with progress, logs, and nothing done twice.

Knows when a stage may begin (its inputs, its place, the space on the disk) and what to say when a tool fails. Must
not know any flag of any tool: ``plan`` made the commands. What is finished is never run again unless something that
it depends on changed; see ``stage_record``.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_repo_builder import fingerprint
from model_repo_builder.errors import BuildError, BuildStopped
from model_repo_builder.stage_record import FOLDER, Records, State, inputs
from model_repo_builder.stages import OURSELVES, PYTHON, Command, Fix, Stage
from model_repo_builder.tool import Tool, find, tail

_POLL_SECONDS = 0.2
_BUSY_SECONDS = 3.0  # what a killed build leaves behind ends by itself within that time


@dataclass(frozen=True, slots=True)
class Progress:
    """``written`` counts bytes in the stage's folder, ``tail`` is the last line of its log."""

    stage: str
    number: int
    count: int
    elapsed: float
    written: int
    tail: str
    ended: bool = False


class Build:
    """One build in one output folder."""

    def __init__(
        self,
        stages: Sequence[Stage],
        output: Path,
        *,
        release: str,
        environment: Mapping[str, str] = os.environ,
        python: str = sys.executable,
        progress: Callable[[Progress], None] = lambda progress: None,
        finish: Callable[[Stage], None] = lambda stage: None,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._stages = tuple(stages)
        self._output = output
        self._release = release
        self._environment = environment
        self._python = python
        self._progress = progress
        self._finish = finish  # what belongs to a stage besides its commands: without it the stage is not finished
        self._free = free
        self._records = Records(output)
        self._stopped = False

    def states(self, start: str | None = None) -> tuple[State, ...]:
        """What a run would do. Touches nothing."""
        return self._records.states(self._stages, self._release, start)

    def stop(self) -> None:
        """Ends the running tool soon; ``run`` then raises BuildStopped. May be called in a signal handler."""
        self._stopped = True

    def run(self, start: str | None = None) -> tuple[State, ...]:
        """Runs what is not finished. Returns what it found before."""
        with self._alone() as lock:
            states = self.states(start)
            self._check(states)
            for state in states:
                if state.finished or (state.stage.name != start and self._records.restore(state)):
                    continue
                self._run(state, lock)
            return states

    def log(self, state: State) -> Path:
        return self._output / "logs" / f"{state.number:02d}-{state.stage.name}.log"

    def _run(self, state: State, lock: int) -> None:
        stage, log = state.stage, self.log(state)
        began = time.monotonic()
        self._check_space((state,))
        try:
            self._records.begin(state)
            stage.output.mkdir(parents=True, exist_ok=True)
            for file in stage.files:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                file.path.write_text(file.text, "utf-8")
        except OSError as error:
            raise BuildError(f"stage {stage.name} cannot write {error.filename}: {error.strerror}") from error
        for command in stage.commands:
            self._command(state, command, log, began, lock)
        for path in stage.writes:
            if not path.is_file() or not path.stat().st_size:
                raise BuildError(f"stage {stage.name} ended well but did not write {path}: see {log}", tail(log))
        for fix in stage.fixes:
            _mend(fix)
        self._finish(stage)
        self._records.end(state, time.monotonic() - began)
        self._report(state, log, began, ended=True)

    def _command(self, state: State, command: Command, log: Path, began: float, lock: int) -> None:
        argv = self._program(command)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            start = file.tell()
            file.write(f"$ {command.line()}\n".encode())
            file.flush()
            shown = file.tell()
            environment = {**self._environment, **command.env}
            self._raise_if_stopped(state)
            with Tool.start(argv, environment=environment, log=file, keep=(lock,)) as tool:
                while (code := tool.wait_for(_POLL_SECONDS)) is None:
                    self._report(state, log, began, shown)
                    self._raise_if_stopped(state)
        self._raise_if_stopped(state)
        if code:
            raise BuildError(self._failed(state, code, log), tail(log, start))

    def _program(self, command: Command) -> list[str]:
        """The command with the program that it names: the builder itself is run as a module of this interpreter."""
        name, *rest = command.argv
        if name == PYTHON:
            return [self._python, *rest]
        if name == OURSELVES:
            return [sys.executable, "-m", "model_repo_builder.cli", *rest]
        return [find(name, self._environment, self._python), *rest]

    def _raise_if_stopped(self, state: State) -> None:
        if self._stopped:
            raise BuildStopped(
                f"stopped in stage {state.stage.name}: the same command goes on there; "
                f"what was finished before is kept in {self._output}"
            )

    def _failed(self, state: State, code: int, log: Path) -> str:
        ended = f"was ended by signal {code - 128}" if code > 128 else f"failed with exit code {code}"
        hint = "mend what its log says"
        if self._free(existing(state.stage.output)) < 64 << 20:
            hint = f"the disk of {self._output} is full: make room"
        elif code == 137:
            hint = "the machine was probably out of memory: use fewer --workers or a larger machine"
        return f"stage {state.stage.name} {ended}: {hint}, then run the same command again; the whole log is {log}"

    def _report(self, state: State, log: Path, began: float, start: int = 0, *, ended: bool = False) -> None:
        last = tail(log, start, lines=1)
        size = fingerprint.size(state.stage.output)
        elapsed = time.monotonic() - began
        self._progress(Progress(state.stage.name, state.number, len(self._stages), elapsed, size, last, ended))

    def _check(self, states: Sequence[State]) -> None:
        """Everything that can be known to go wrong, before the first expensive step."""
        for number, state in enumerate(states):
            stage = state.stage
            if state.finished:
                continue
            for path in inputs(stage, self._stages[:number]):
                if not path.exists():
                    raise BuildError(f"{path} does not exist, and stage {stage.name} reads it: correct the path")
            known = self._records.began(stage) or (self._output / FOLDER / f"{stage.name}.json").exists()
            if stage.output.exists() and not known and (not stage.output.is_dir() or any(stage.output.iterdir())):
                raise BuildError(
                    f"{stage.output} is not empty and no build of this recipe wrote it, so it is left untouched: "
                    "move it away, or choose another output folder"
                )
            for command in stage.commands:
                self._program(command)
            if stage.needs_gpu and shutil.which("nvidia-smi", path=self._environment.get("PATH")) is None:
                raise BuildError(
                    f"stage {stage.name} needs a GPU, and nvidia-smi is not on PATH: "
                    "run the build on a GPU machine, in NVIDIA's container started with --gpus all"
                )
        self._check_space([state for state in states if not state.finished])

    def _check_space(self, states: Sequence[State]) -> None:
        """Half-finished results are removed first, so their bytes count as free."""
        needed = sum(state.stage.disk_bytes for state in states)
        if not needed:
            return
        place = existing(self._output)
        left = sum(fingerprint.size(s.stage.output) for s in states if self._records.began(s.stage))
        free = self._free(place) + left
        if free < needed:
            names = ", ".join(state.stage.name for state in states)
            raise BuildError(
                f"{names} will write about {_gigabytes(needed)}, and {place} has {_gigabytes(free)} free: "
                f"make {_gigabytes(needed - free)} of room, or choose an output folder on another disk"
            )

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The descriptor of a lock that only one build in this folder can have. Its tools keep it until they end."""
        try:
            (self._output / FOLDER).mkdir(parents=True, exist_ok=True)
            lock = os.open(self._output / FOLDER / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise BuildError(
                f"{self._output} cannot be written ({error.strerror}): choose another output folder"
            ) from error
        try:
            deadline = time.monotonic() + _BUSY_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise BuildError(
                            f"another build is running in {self._output}: wait for it, or choose another output folder"
                        ) from None
                    time.sleep(0.05)
            yield lock
        finally:
            os.close(lock)


def existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


def _mend(fix: Fix) -> None:
    try:
        data: dict[str, Any] = json.loads(fix.path.read_text("utf-8"))
        for key, value in fix.values.items():
            *parents, last = key.split(".")
            place = data
            for name in parents:
                place = place.setdefault(name, {})
            place[last] = value
        partial = fix.path.with_name(fix.path.name + ".partial")
        partial.write_text(json.dumps(data, indent=4) + "\n", "utf-8")
        os.replace(partial, fix.path)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BuildError(f"{fix.path} cannot be mended ({fix.reason}): {error}") from error


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
