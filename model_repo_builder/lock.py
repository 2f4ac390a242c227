"""What an engine was built with, kept beside it, and whether this machine can serve it.

Knows the file ``build.lock.json`` in the engine folder and in the repository: release, TensorRT, GPU, image, commands,
hashes. A TensorRT engine runs on the release and the kind of GPU that it was built with, and says so badly or not at
all. What the lock or the machine does not know is not compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_repo_builder import fingerprint
from model_repo_builder.errors import RepositoryError
from model_repo_builder.machine import Gpu, Machine, this_machine
from model_repo_builder.stages import Stage

FILE_NAME = "build.lock.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Lock:
    """``release`` is the one the engine was built for; ``engine`` and ``inputs`` are hashes by file."""

    release: str
    engine_dir: Path
    engine: Mapping[str, str]
    tensorrt: str | None = None
    image: str | None = None
    gpus: tuple[Gpu, ...] = ()
    world_size: int = 1
    commands: tuple[str, ...] = ()
    inputs: Mapping[str, str] | None = None


def of_build(
    stages: Sequence[Stage],
    engine_dir: Path,
    *,
    release: str,
    world_size: int,
    machine: Machine,
    inputs: Sequence[Path],
) -> Lock:
    """After the engine is built, on the machine that built it."""
    return Lock(
        release=release,
        engine_dir=engine_dir.absolute(),
        engine=_engine_files(engine_dir),
        tensorrt=machine.tensorrt,
        image=machine.image,
        gpus=machine.gpus or (),
        world_size=world_size,
        commands=tuple(command.line() for stage in stages for command in stage.commands),
        inputs={
            str(path if name == "." else path / name): digest
            for path in inputs
            for name, digest in fingerprint.of_tree(path, without=engine_dir.parent).items()
        },
    )


def write(lock: Lock, folder: Path) -> Path:
    path = folder / FILE_NAME
    data = {"format": _FORMAT, **asdict(lock), "engine_dir": str(lock.engine_dir)}
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise RepositoryError(f"{path} cannot be written: {error.strerror}: make the folder writable") from error
    return path


def read(folder: Path) -> Lock | None:
    """The lock in an engine folder or a repository; None where there is none, as in one that was made by hand."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if data.pop("format") != _FORMAT:
            raise ValueError("it is of another version of the builder")
        gpus = tuple(Gpu(**gpu) for gpu in data.pop("gpus"))
        return Lock(**{**data, "engine_dir": Path(data["engine_dir"]), "commands": tuple(data["commands"])}, gpus=gpus)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RepositoryError(
            f"{path} cannot be read ({error}): build again, or remove it to go without the check"
        ) from error


def check(lock: Lock, machine: Machine) -> tuple[str, ...]:
    """One sentence for each thing that keeps this machine from serving the engine. Reads the engine's files."""
    found = (*_engine(lock), _release(lock, machine), _tensorrt(lock, machine), other_gpu(lock, machine))
    return tuple(sentence for sentence in found if sentence)


def mismatch(repository: Path, machine: Machine | None = None) -> str | None:
    """Why this machine cannot serve the repository, and what to do; None: nothing speaks against it."""
    lock = read(repository)
    if lock is None:
        return None
    return next(iter(check(lock, machine or this_machine())), None)


def _engine(lock: Lock) -> tuple[str, ...]:
    folder = lock.engine_dir
    if not folder.is_dir():
        return (f"the engine folder {folder} does not exist: mount it there, or build again",)
    now = _engine_files(folder)
    again = "build again with `model-repo-builder build`, or restore the file"
    return tuple(
        f"{folder / name} is missing: {again}"
        if name not in now
        else f"{folder / name} is not the file that was built: {again}"
        for name, digest in lock.engine.items()
        if now.get(name) != digest
    )


def _release(lock: Lock, machine: Machine) -> str | None:
    if machine.release is None or machine.release == lock.release:
        return None
    where = f", such as {lock.image}" if lock.image else ""
    return (
        f"the engine was built for TensorRT-LLM {lock.release} and {machine.release} is installed here: "
        f"run the image of {lock.release}{where}, or build again here"
    )


def _tensorrt(lock: Lock, machine: Machine) -> str | None:
    if None in (lock.tensorrt, machine.tensorrt) or lock.tensorrt == machine.tensorrt:
        return None
    return (
        f"the engine was built with TensorRT {lock.tensorrt} and {machine.tensorrt} is installed here: "
        f"run the image that built it{f' ({lock.image})' if lock.image else ''}, or build again here"
    )


def other_gpu(lock: Lock, machine: Machine) -> str | None:
    """Why the GPUs of this machine cannot run the engine."""
    if not lock.gpus or machine.gpus is None:
        return None
    if len(machine.gpus) < lock.world_size:
        return (
            f"the engine needs {_gpus(lock.world_size)} and nvidia-smi shows {len(machine.gpus)}: "
            "give the container all of them (--gpus all), or build again with a smaller tp_size or pp_size"
        )
    built = lock.gpus[0]
    other = next((gpu for gpu in machine.gpus if not _alike(built, gpu)), None)
    if other is None:
        return None
    return (
        f"the engine was built on {built} and this machine has {other}: TensorRT engines do not run on another kind "
        f"of GPU; build again here, or serve on {built.name}"
    )


def _alike(built: Gpu, here: Gpu) -> bool:
    """The kind of chip decides; where one of them is not known, the name does."""
    if built.compute_capability and here.compute_capability:
        return built.compute_capability == here.compute_capability
    return built.name == here.name


def _gpus(count: int) -> str:
    return f"{count} GPU{'s' if count > 1 else ''}"


def _engine_files(folder: Path) -> dict[str, str]:
    names = sorted(path for pattern in ("config.json", "rank*.engine") for path in folder.glob(pattern))
    return {path.name: fingerprint.of_file(path) for path in names}
