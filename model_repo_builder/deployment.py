"""Which tritonservers are started for a repository: how many, where they listen, on which GPUs, through mpirun or not.

Pure: what the user wants and what the engines say in, one ``Instance`` per server out. Every combination that cannot
work is refused here, before anything starts. Must not know processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model_repo_builder.errors import SettingsError
from model_repo_builder.official_launcher import Options, argv, environment
from model_repo_builder.ports import Ports
from model_repo_builder.release import Release
from model_repo_builder.served_engine import ServedEngine

_LLMAPI = Release(1, 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asked for. ``devices``: the GPUs of each instance, as CUDA_VISIBLE_DEVICES names them."""

    ports: Ports = field(default_factory=Ports)
    port_step: int = 10
    instances: int | None = None
    devices: tuple[tuple[str, ...], ...] = ()
    visible: tuple[str, ...] = ()
    world_size: int | None = None
    release: Release | None = None
    installed: Release | None = None
    no_mpi: bool = False
    oversubscribe: bool = False
    orchestrator: bool = False
    disable_spawn_processes: bool = False
    gpu0_pool_bytes: int = 0
    llmapi_launch: bool = False
    gpus: int = 0
    triton_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """The official launcher's composition; binary, repository and the like are filled in at the start."""

    release: Release
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One tritonserver, or one set of ranks behind one. Without ``official`` the program is started plainly."""

    name: str
    ports: Ports
    environment: Mapping[str, str] = field(default_factory=dict)
    official: Official | None = None


def deployment(wishes: Wishes, engines: Sequence[ServedEngine]) -> tuple[Instance, ...]:
    official = _official(wishes, engines)
    devices = _devices(wishes, engines, official)
    ports = _ports(wishes, len(devices))
    added = environment(official.release, official.options) if official else {}
    return tuple(
        Instance(
            name=f"triton-{number}" if len(devices) > 1 else "triton",
            ports=own,
            environment={**added, **({"CUDA_VISIBLE_DEVICES": ",".join(group)} if group else {})},
            official=official,
        )
        for number, (own, group) in enumerate(zip(ports, devices, strict=True), 1)
    )


def _official(wishes: Wishes, engines: Sequence[ServedEngine]) -> Official | None:
    """None for what NVIDIA's launcher is not needed for: a repository without engines, and llmapi without MPI."""
    llmapi = any(engine.llmapi for engine in engines)
    asked = [
        flag
        for flag, given in (
            ("--orchestrator", wishes.orchestrator),
            ("--trtllm-llmapi-launch", wishes.llmapi_launch),
            ("--oversubscribe", wishes.oversubscribe),
            ("--gpu0-pool-bytes", wishes.gpu0_pool_bytes),
        )
        if given
    ]
    if not engines and wishes.world_size is None:
        if asked:
            raise SettingsError(
                f"{asked[0]} is for TensorRT-LLM, and no model of this repository runs on it: leave it out"
            )
        return None
    if wishes.llmapi_launch and not llmapi:
        raise SettingsError("--trtllm-llmapi-launch is for llmapi repositories, and this is none: leave it out")
    if wishes.orchestrator and llmapi:
        raise SettingsError("--orchestrator is for TensorRT engines, and llmapi has its own workers: leave it out")
    if llmapi and wishes.world_size is None and not asked:
        return None  # llmapi starts the processes for its other GPUs by itself
    release = wishes.release or next((each.release for each in engines if each.release), None)
    release = release or wishes.installed
    if release is None and not llmapi:
        raise SettingsError("which TensorRT-LLM this engine is of is not known: give it with --trtllm-version")
    options = Options(
        model_repository="",
        world_size=_world_size(wishes, engines),
        engine_models=tuple(engine.model for engine in engines) or ("tensorrt_llm",),
        oversubscribe=wishes.oversubscribe,
        multi_model=wishes.orchestrator,
        disable_spawn_processes=wishes.disable_spawn_processes,
        gpu0_pool_bytes=wishes.gpu0_pool_bytes,
        gpus=wishes.gpus,
        triton_version=wishes.triton_version,
        no_mpi=wishes.no_mpi,
        llmapi_launch=wishes.llmapi_launch,
    )
    official = Official(release=release or _LLMAPI, options=options)
    argv(official.release, official.options)  # refuses what the release cannot do
    return official


def _world_size(wishes: Wishes, engines: Sequence[ServedEngine]) -> int:
    if wishes.orchestrator:
        return _participants(engines) if wishes.disable_spawn_processes else wishes.world_size or 1
    sizes = {engine.model: engine.world_size for engine in engines}
    if wishes.world_size is None and len(set(sizes.values())) > 1:
        listed = ", ".join(f"{model} {size}" for model, size in sizes.items())
        raise SettingsError(f"the engines of this repository differ in their ranks ({listed}): give --orchestrator")
    return wishes.world_size or max(sizes.values())


def _participants(engines: Sequence[ServedEngine]) -> int:
    """All ranks of the workers, and the orchestrator's own, which is rank 0."""
    taken: dict[int, str] = {}
    for engine in engines:
        if not engine.participants:
            raise SettingsError(
                f"--disable-spawn-processes needs the ranks of each engine's workers: "
                f"set participant_ids in {engine.model}/config.pbtxt, for example to {_example(engine, len(taken))}"
            )
        for group in engine.participants:
            if len(group) != engine.world_size:
                raise SettingsError(
                    f"participant_ids of {engine.model} give {len(group)} ranks to an engine of {engine.world_size}: "
                    f"list {engine.world_size} for each instance"
                )
            for rank in group:
                if rank in taken or rank == 0:
                    owner = taken.get(rank, "the orchestrator")
                    raise SettingsError(
                        f"participant_ids of {engine.model} give it rank {rank}, which is {owner}'s: give it another"
                    )
                taken[rank] = engine.model
    if sorted(taken) != list(range(1, len(taken) + 1)):
        missing = min(set(range(1, max(taken) + 1)) - set(taken))
        raise SettingsError(f"participant_ids leave rank {missing} out: number the workers from 1 without a gap")
    return len(taken) + 1


def _example(engine: ServedEngine, before: int) -> str:
    return ",".join(str(before + number) for number in range(1, engine.world_size + 1))


def _devices(wishes: Wishes, engines: Sequence[ServedEngine], official: Official | None) -> tuple[tuple[str, ...], ...]:
    """The GPUs of each instance; an empty group leaves the environment as it is."""
    count = wishes.instances or len(wishes.devices) or 1
    if wishes.orchestrator and count > 1:
        raise SettingsError(
            "the orchestrator serves several engines from one server, so it is no leader of several: "
            "leave --instances out, or leave --orchestrator out"
        )
    if wishes.devices and len(wishes.devices) != count:
        raise SettingsError(
            f"--devices names {len(wishes.devices)} groups for {count} instances: give one group for each"
        )
    needed = 0 if wishes.orchestrator else max((engine.world_size for engine in engines), default=0)
    if not wishes.devices:
        if count == 1 or not needed:
            return ((),) * count
        names = wishes.visible or tuple(map(str, range(count * needed)))
        if len(names) < count * needed:
            raise SettingsError(
                f"{count} instances of {needed} GPUs need {count * needed}, and CUDA_VISIBLE_DEVICES names "
                f"{len(names)}: name more there, or start fewer instances"
            )
        return tuple(tuple(names[start : start + needed]) for start in range(0, count * needed, needed))
    for group in wishes.devices:
        if needed and len(group) != needed:
            raise SettingsError(f"--devices gives {','.join(group)} to an engine of {needed} ranks: name {needed} GPUs")
    named = [device for group in wishes.devices for device in group]
    shared = next((device for device in named if named.count(device) > 1), None)
    if shared is not None and not all(engine.kv_cache_bounded for engine in engines):
        raise SettingsError(
            f"GPU {shared} is in --devices twice, and the first engine takes its free memory: "
            "set max_tokens_in_paged_kv_cache in the engine's config.pbtxt, or give each instance its own GPU"
        )
    return wishes.devices


def _ports(wishes: Wishes, count: int) -> tuple[Ports, ...]:
    ports = tuple(wishes.ports.shifted(number * wishes.port_step) for number in range(count))
    numbers = [number for each in ports for number in each.numbers]
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        raise SettingsError(f"port {twice} would be used by two of the instances: choose another --port-step")
    return ports
