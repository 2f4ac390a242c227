"""What is known of earlier runs of a build: which stages are finished, and which must run (again), and why.

Knows the folder ``.build`` in the output folder: per stage a note that it began, and a record of its end with a key
of everything the stage depends on. Must not run anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model_repo_builder import fingerprint
from model_repo_builder.errors import BuildError
from model_repo_builder.stages import OURSELVES, Stage

FOLDER = ".build"


@dataclass(frozen=True, slots=True)
class State:
    """``why`` says why the stage runs; empty: it is finished and is left as it is."""

    stage: Stage
    number: int
    key: str
    why: str

    @property
    def finished(self) -> bool:
        return not self.why


class Records:
    def __init__(self, output: Path) -> None:
        self._output = output
        self._folder = output / FOLDER

    def states(self, stages: Sequence[Stage], release: str, start: str | None = None) -> tuple[State, ...]:
        """Every stage in order. ``start`` names the stage to begin again with, finished or not."""
        names = [stage.name for stage in stages]
        if start is not None and start not in names:
            raise BuildError(f"there is no stage {start}: this build has {', '.join(names)}")
        states: list[State] = []
        forced = False
        for number, stage in enumerate(stages, 1):
            forced = forced or stage.name == start
            key = _key(stage, states, release, self._output)
            states.append(State(stage, number, key, self._why(stage, key) or (f"--from {start}" if forced else "")))
        for place in reversed(range(len(states))):
            states[place] = self._unless_used_up(states[place], states[place + 1 :])
        if start is not None:
            for state in states[: names.index(start)]:
                if not state.finished:
                    raise BuildError(
                        f"stage {state.stage.name} is not finished ({state.why}), so {start} cannot begin: "
                        "leave --from away"
                    )
        return tuple(states)

    def began(self, stage: Stage) -> bool:
        return self._begin(stage).exists()

    def begin(self, state: State) -> None:
        """Clears the place of the stage: a finished result of other inputs is put aside until the new one is there."""
        stage = state.stage
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._end(stage).exists() and stage.output.exists():
            remove(self.aside(stage))
            stage.output.rename(self.aside(stage))
            os.replace(self._end(stage), self._end(stage, aside=True))
        self._begin(stage).touch()
        self._end(stage).unlink(missing_ok=True)
        remove(stage.output)

    def restore(self, state: State) -> bool:
        """Takes back a result that was put aside, if it is the one that is asked for now."""
        stage, record = state.stage, self._end(state.stage, aside=True)
        if not self.aside(stage).exists() or _read(record).get("key") != state.key:
            return False
        other = stage.output.with_name(stage.output.name + ".swapped")
        remove(other)
        if stage.output.exists():
            stage.output.rename(other)
        self.aside(stage).rename(stage.output)
        os.replace(record, self._end(stage))
        self._begin(stage).unlink(missing_ok=True)
        remove(other)
        return not self._why(stage, state.key)

    def end(self, state: State, seconds: float) -> None:
        stage = state.stage
        made = {os.path.relpath(path, stage.output): fingerprint.of_file(path) for path in stage.writes}
        record = {"stage": stage.name, "key": state.key, "seconds": round(seconds, 3), "made": made}
        _write(self._end(stage), json.dumps(record, indent=1) + "\n")
        self._begin(stage).unlink(missing_ok=True)
        if _difference(_read(self._end(stage, aside=True)), stage, self.aside(stage)) is None:
            remove(self.aside(stage))  # one that somebody changed is kept
        self._end(stage, aside=True).unlink(missing_ok=True)

    def aside(self, stage: Stage) -> Path:
        return stage.output.with_name(stage.output.name + ".previous")

    def _why(self, stage: Stage, key: str) -> str:
        record = _read(self._end(stage))
        if not record:
            return "it was interrupted" if self.began(stage) else "it has not run yet"
        if record.get("key") != key:
            return "its inputs or its command changed"
        return _difference(record, stage, stage.output) or ""

    def _unless_used_up(self, state: State, later: Sequence[State]) -> State:
        """A large intermediate result may be removed once what is made of it is finished."""
        users = [other for other in later if _feeds(state.stage, other.stage)]
        gone = not state.stage.output.exists() and _read(self._end(state.stage)).get("key") == state.key
        return replace(state, why="") if gone and users and all(user.finished for user in users) else state

    def _begin(self, stage: Stage) -> Path:
        return self._folder / f"{stage.name}.begun"

    def _end(self, stage: Stage, aside: bool = False) -> Path:
        return self._folder / f"{stage.name}{'.previous' if aside else ''}.json"


def inputs(stage: Stage, before: Sequence[Stage]) -> tuple[Path, ...]:
    """What a stage reads that no earlier stage makes."""
    return tuple(path for path in stage.reads if not any(path.is_relative_to(other.output) for other in before))


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _difference(record: dict[str, object], stage: Stage, folder: Path) -> str | None:
    """What became of the files of a finished stage, which are in ``folder`` now; None: they are as they were."""
    made = record.get("made")
    for path in stage.writes:
        name = os.path.relpath(path, stage.output)
        try:
            same = isinstance(made, dict) and made.get(name) == fingerprint.of_file(folder / name)
        except OSError:
            return f"{path.name} is missing"
        if not same:
            return f"{path.name} is not the file that it wrote"
    return None


def _feeds(earlier: Stage, stage: Stage) -> bool:
    return any(path.is_relative_to(earlier.output) for path in stage.reads)


def _key(stage: Stage, before: Sequence[State], release: str, output: Path) -> str:
    """All that the result depends on. Paths in the output folder count by their place in it, so it may be moved."""
    described = {
        "release": release,
        "commands": [[list(command.argv), dict(command.env)] for command in stage.commands],
        "files": [[str(file.path), file.text] for file in stage.files],
        "fixes": [[str(fix.path), dict(fix.values)] for fix in stage.fixes],
        "writes": [str(path) for path in stage.writes],
        "before": [state.key for state in before if _feeds(state.stage, stage)],
    }
    text = json.dumps(described, sort_keys=True, default=str)
    if not any(command.argv[0] == OURSELVES for command in stage.commands):  # a repository names its engine's path
        text = text.replace(str(output), "")
    digest = hashlib.sha256(text.encode())
    for path in inputs(stage, [state.stage for state in before]):
        if path.exists():
            digest.update(json.dumps(fingerprint.of_tree(path, without=output), sort_keys=True).encode())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, object]:
    """A record that cannot be read counts as none: the stage runs again."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
