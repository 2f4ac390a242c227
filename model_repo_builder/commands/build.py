"""``build``: from a Hugging Face checkpoint to an engine and its model repository. Shows what happens meanwhile."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType

from model_repo_builder import lock
from model_repo_builder.build import Build, Progress
from model_repo_builder.commands.recipe_flags import add_flags, plan_of, read_recipe
from model_repo_builder.errors import BuildError, BuildStopped, CheckpointError
from model_repo_builder.machine import Machine, this_machine
from model_repo_builder.recipe import Recipe
from model_repo_builder.release import Release
from model_repo_builder.stages import BuildPlan, Stage

EXAMPLES = """\
examples:
    model-repo-builder build --recipe qwen1.5-14b-chat-bf16 --model Qwen1.5-14B-Chat --output build
    model-repo-builder build --model Qwen2.5-7B-Instruct --output build --quantization fp8
    model-repo-builder build --recipe mine.toml --dry-run
    model-repo-builder build --recipe mine.toml --from engine

Run it in the container that will serve the engine. An interrupted build goes on with the same command; what is
finished is run again only if its recipe or its inputs changed. Logs: OUTPUT/logs/. `plan` explains every flag.
"""
_LINE_SECONDS = 30.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = commands.add_parser(
        "build",
        usage="%(prog)s [--recipe NAME|FILE] --model DIR --output DIR [--dry-run] [--from STAGE] [--set KEY=VALUE ...]",
        help="build an engine and its model repository from a checkpoint",
        description="Converts or quantizes a Qwen checkpoint, builds the engine, and writes the model repository.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    build.set_defaults(run=run)
    build.add_argument("--output", dest="key_output_dir", default=argparse.SUPPRESS, metavar="DIR", help="--output-dir")
    build.add_argument("--dry-run", action="store_true", help="say which stages would run, and why; run nothing")
    build.add_argument("--from", dest="start", metavar="STAGE", help="run this stage and those after it again")
    add_flags(build)


def run(options: argparse.Namespace) -> int:
    recipe = _local(options)
    machine = this_machine()
    plan = plan_of(recipe)
    _check_release(plan, machine)
    assert recipe.output_dir is not None  # read_recipe gives it a default
    locks = _Locks(plan, machine, recipe)
    build = Build(
        plan.stages, recipe.output_dir, release=locks.release, progress=_Shown(sys.stderr.isatty()), finish=locks
    )
    _check_gpu(plan, build, machine, options.start)
    if options.dry_run:
        return _dry_run(build, options.start)
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        build.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        states = build.run(options.start)
    except BuildStopped as stopped:
        print(str(stopped), file=sys.stderr)
        return 128 + received[0]
    if all(state.finished for state in states):
        print("nothing to do: every stage is finished", file=sys.stderr)
    print(
        f"{plan.repository} is ready: next `model-repo-builder launch {plan.repository}`, "
        f"and `gateway serve --config {plan.repository / 'gateway.toml'}`"
    )
    return 0


class _Locks:
    """Writes what the engine was built with beside it as part of its stage, and again in the repository."""

    def __init__(self, plan: BuildPlan, machine: Machine, recipe: Recipe) -> None:
        self._plan = plan
        self._machine = machine
        self._recipe = recipe
        self.release = machine.release or str(plan.release)

    def __call__(self, stage: Stage) -> None:
        if stage.output == self._plan.engine_dir:
            model = self._recipe.model_dir
            made = lock.of_build(
                [other for other in self._plan.stages if other.output != self._plan.repository],
                self._plan.engine_dir,
                release=self.release,
                world_size=self._recipe.world_size,
                machine=self._machine,
                inputs=[model] if model else [],
            )
            lock.write(made, stage.output)
        elif stage.output == self._plan.repository:
            found = lock.read(self._plan.engine_dir)
            if found is None:
                raise BuildError(f"{self._plan.engine_dir} has no {lock.FILE_NAME}: build it with --from engine")
            lock.write(replace(found, engine_dir=self._plan.engine_dir), stage.output)


class _Shown:
    """Progress on a terminal as one line that changes; elsewhere a line at the beginning, the end, and sometimes."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._stage = ""
        self._printed = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        soon = progress.stage == self._stage and now - self._printed < _LINE_SECONDS
        if soon and not self._terminal and not progress.ended:
            return
        self._stage, self._printed = progress.stage, now
        text = line(progress)
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:width]}", end="\n" if progress.ended else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)


def line(progress: Progress) -> str:
    minutes, seconds = divmod(int(progress.elapsed), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    head = f"[{progress.number}/{progress.count}] {progress.stage}  {clock}  {_size(progress.written)} written"
    if progress.ended:
        return f"{head}  finished"
    return f"{head}  {progress.tail}" if progress.tail else head


def _size(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def _dry_run(build: Build, start: str | None) -> int:
    for state in build.states(start):
        print(f"{state.number}. {state.stage.name}: {'finished' if state.finished else f'runs: {state.why}'}")
        if not state.finished:
            for command in state.stage.commands:
                print(f"   {command.line()}")
    return 0


def _local(options: argparse.Namespace) -> Recipe:
    """The recipe with a checkpoint that is here. Absolute paths: the same build from another folder is the same."""
    named: str | None = vars(options).get("key_model")
    if named and Path(named).is_dir():
        options.key_model_dir = named
        del options.key_model
    recipe = read_recipe(options)
    assert recipe.output_dir is not None  # read_recipe gives it a default
    if recipe.model_dir is None or not recipe.model_dir.is_dir():
        name = recipe.model_dir or recipe.model
        raise CheckpointError(f"the checkpoint {name} is no folder here: download it, and give its folder with --model")
    model = Path(os.path.abspath(recipe.model_dir))
    return replace(recipe, model_dir=model, output_dir=Path(os.path.abspath(recipe.output_dir)))


def _check_gpu(plan: BuildPlan, build: Build, machine: Machine, start: str | None) -> None:
    """A finished engine may have been brought from another machine, where the same recipe built it."""
    finished = any(state.finished and state.stage.output == plan.engine_dir for state in build.states(start))
    found = lock.read(plan.engine_dir) if finished else None
    wrong = lock.other_gpu(found, machine) if found else None
    if wrong:
        raise BuildError(f"{wrong} (--from engine builds it again here)")


def _check_release(plan: BuildPlan, machine: Machine) -> None:
    """The tools of another release would take other flags, and write an engine that the wanted one cannot run."""
    if machine.release is None or Release.parse(machine.release).line == plan.release.line:
        return
    raise BuildError(
        f"the build is for TensorRT-LLM {plan.release} and {machine.release} is installed here: "
        f"use the container of {plan.release}, or give --trtllm-version {machine.release}"
    )
