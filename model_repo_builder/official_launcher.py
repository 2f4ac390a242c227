"""The command that the official launch_triton_server.py of a release composes, for the same options.

Pure: a release and options in, an argument vector and environment variables out. What differs between releases is
data (contracts/launchers.json). It adds to the official command only what ``Options.extra`` and ``shm_prefix`` say,
and their defaults add nothing. It must not know processes, files or what is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from model_repo_builder.errors import ContractError, SettingsError
from model_repo_builder.ports import Ports
from model_repo_builder.release import Release

# Memory pools are switched off for the orchestrator only where the container's Triton is newer than this.
_POOLS_AFTER = (24, 6)
_PORTS = Ports()
_FLAGS = {
    "oversubscribe": "--oversubscribe",
    "multi_model": "--orchestrator",
    "disable_spawn_processes": "--disable-spawn-processes",
    "gpu0_pool_bytes": "--gpu0-pool-bytes",
    "no_mpi": "--no-mpi",
    "llmapi_launch": "--trtllm-llmapi-launch",
}


@dataclass(frozen=True, slots=True)
class Launcher:
    """The official launcher of a range of releases: which options it has, and its order of one rank's arguments."""

    first: tuple[int, int]
    last: tuple[int, int] | None
    options: frozenset[str]
    parts: tuple[str, ...]
    inferred: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    model_repository: str
    world_size: int = 1
    tritonserver: str = "/opt/tritonserver/bin/tritonserver"
    mpirun: str = "mpirun"
    ports: Ports = _PORTS
    engine_models: tuple[str, ...] = ("tensorrt_llm",)
    log: str | None = None
    oversubscribe: bool = False
    multi_model: bool = False
    disable_spawn_processes: bool = False
    gpu0_pool_bytes: int = 0
    gpus: int = 0
    triton_version: str | None = None
    no_mpi: bool = False
    llmapi_launch: bool = False
    exit_timeout: int | None = None
    shm_prefix: str = "prefix"
    extra: tuple[str, ...] = ()


def launcher(release: Release) -> Launcher:
    line = (release.major, release.minor)
    for row in _launchers():
        if row.first <= line and (row.last is None or line <= row.last):
            return row
    raise ContractError(f"how TensorRT-LLM {release} is launched is not known: the first release known is 0.10.0")


def argv(release: Release, options: Options) -> tuple[str, ...]:
    """The whole command of one instance, with all its ranks."""
    row = launcher(release)
    _check(row, release, options)
    words: list[str] = []
    if not options.no_mpi:
        words += [options.mpirun, "--allow-run-as-root"]
        words += ["--oversubscribe"] if options.oversubscribe else []
    for rank in range(options.world_size):
        words += [] if options.no_mpi else ["-n", "1"]
        words += ["trtllm-llmapi-launch"] if options.llmapi_launch else []
        words.append(options.tritonserver)
        for part in row.parts:
            words += _part(part, rank, options)
        words += options.extra
        words += [] if options.no_mpi else [":"]
    return tuple(words)


def environment(release: Release, options: Options) -> dict[str, str]:
    """What the official launcher adds to the environment."""
    if not options.multi_model:
        return {}
    row = launcher(release)
    added = {"TRTLLM_ORCHESTRATOR": "1"}
    if "disable_spawn_processes" in row.options:
        added["TRTLLM_ORCHESTRATOR_SPAWN_PROCESSES"] = "0" if options.disable_spawn_processes else "1"
    return added


def _part(part: str, rank: int, options: Options) -> Iterator[str]:
    if part == "repository":
        yield f"--model-repository={options.model_repository}"
    elif part == "exit_timeout":
        if options.exit_timeout:
            yield f"--exit-timeout-secs={options.exit_timeout}"
    elif part == "ports":
        yield f"--grpc-port={options.ports.grpc}"
        yield f"--http-port={options.ports.http}"
        yield f"--metrics-port={options.ports.metrics}"
    elif part == "log":
        if options.log is not None and rank == 0:
            yield from ("--log-verbose=3", f"--log-file={options.log}")
    elif part == "later_ranks":
        if rank > 0:
            yield "--model-control-mode=explicit"
            yield from (f"--load-model={name}" for name in options.engine_models)
    elif part == "pools":
        yield from _pools(rank, options)
    else:
        yield "--disable-auto-complete-config"
        yield f"--backend-config=python,shm-region-prefix-name={options.shm_prefix}{rank}_"


def _pools(rank: int, options: Options) -> Iterator[str]:
    if rank == 0 and options.gpu0_pool_bytes:
        yield f"--cuda-memory-pool-byte-size=0:{options.gpu0_pool_bytes}"
    new = options.triton_version is None or _line(options.triton_version) > _POOLS_AFTER
    if options.multi_model and new and not options.disable_spawn_processes:
        yield from ("--pinned-memory-pool-byte-size=0", "--enable-peer-access=false")
        yield from (f"--cuda-memory-pool-byte-size={gpu}:0" for gpu in range(options.gpus))


def _check(row: Launcher, release: Release, options: Options) -> None:
    for name, flag in _FLAGS.items():
        if getattr(options, name) and name not in row.options:
            since = next(other for other in _launchers() if name in other.options)
            raise SettingsError(
                f"{flag} is not for TensorRT-LLM {release}: "
                f"it came with {'.'.join(map(str, since.first))}, so leave it out"
            )
    if options.world_size < 1:
        raise SettingsError(f"a world size of {options.world_size} is none: give 1 or more")
    if options.no_mpi and options.world_size > 1:
        raise SettingsError(
            f"--no-mpi starts one process, and this engine has {options.world_size} ranks: leave --no-mpi out"
        )
    if options.disable_spawn_processes and not options.multi_model:
        raise SettingsError("--disable-spawn-processes belongs to --orchestrator: give both, or neither")
    if options.multi_model and options.world_size > 1 and not options.disable_spawn_processes:
        raise SettingsError(
            f"the orchestrator starts its workers itself, so its world size is 1 and not {options.world_size}: "
            "leave --world-size out, or start the workers with --disable-spawn-processes (from 0.13)"
        )


@cache
def _launchers() -> tuple[Launcher, ...]:
    text = files("model_repo_builder.contracts").joinpath("launchers.json").read_text(encoding="utf-8")
    return tuple(
        Launcher(
            _line(row["first"]),
            _line(row["last"]) if row["last"] else None,
            frozenset(row["options"]),
            tuple(row["parts"]),
            row["inferred"],
        )
        for row in json.loads(text)["launchers"]
    )


def _line(version: str) -> tuple[int, int]:
    try:
        major, minor = version.split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        raise SettingsError(
            f"{version!r} is no version of Triton: NVIDIA_TRITON_SERVER_VERSION is like 24.11"
        ) from None
