"""Commands as the official launcher composes them: some written out here, all golden ones where they are at hand."""

import argparse
import json
from pathlib import Path

import pytest

from model_repo_builder.errors import ContractError, SettingsError
from model_repo_builder.official_launcher import Options, argv, environment, launcher
from model_repo_builder.ports import Ports
from model_repo_builder.release import Release

GOLDEN = Path(__file__).parents[3] / "shared" / "contracts"
FILES = ("v0.10.0", "v0.12.0", "v0.13.0", "v0.16.0", "v0.18.2", "v0.19.0")
TRITON = "/opt/tritonserver/bin/tritonserver"
PORTS = "--grpc-port=8001 --http-port=8000 --metrics-port=8002"
ONE = f"mpirun --allow-run-as-root -n 1 {TRITON} --model-repository=/repo"
LATER = "--model-control-mode=explicit --load-model=tensorrt_llm"


def fixed(rank: int) -> str:
    return f"--disable-auto-complete-config --backend-config=python,shm-region-prefix-name=prefix{rank}_"


@pytest.mark.parametrize(
    ("release", "options", "expected"),
    [
        pytest.param("0.10.0", {}, f"{ONE} {PORTS} {fixed(0)} :", id="0.10 one GPU"),
        pytest.param(
            "v0.12.0",
            {"world_size": 2, "oversubscribe": True},
            f"mpirun --allow-run-as-root --oversubscribe -n 1 {TRITON} --model-repository=/repo {PORTS} {fixed(0)} : "
            f"-n 1 {TRITON} --model-repository=/repo {LATER} {PORTS} {fixed(1)} :",
            id="0.12 two ranks",
        ),
        pytest.param(
            "0.10.0",
            {"world_size": 2, "log": "triton_log.txt"},
            f"{ONE} --log-verbose=3 --log-file=triton_log.txt {PORTS} {fixed(0)} : "
            f"-n 1 {TRITON} --model-repository=/repo {LATER} {PORTS} {fixed(1)} :",
            id="the log is rank 0's",
        ),
        pytest.param(
            "0.17.0",
            {"multi_model": True, "gpus": 2, "triton_version": "24.11"},
            f"{ONE} --pinned-memory-pool-byte-size=0 --enable-peer-access=false --cuda-memory-pool-byte-size=0:0 "
            f"--cuda-memory-pool-byte-size=1:0 {PORTS} {fixed(0)} :",
            id="orchestrator that spawns",
        ),
        pytest.param(
            "0.19.0",
            {"no_mpi": True},
            f"{TRITON} --model-repository=/repo {PORTS} {PORTS} {fixed(0)}",
            id="0.19 ports twice, no MPI",
        ),
        pytest.param(
            "1.1",
            {"llmapi_launch": True, "exit_timeout": 30},
            f"mpirun --allow-run-as-root -n 1 trtllm-llmapi-launch {TRITON} --model-repository=/repo "
            f"--exit-timeout-secs=30 {PORTS} {PORTS} {fixed(0)} :",
            id="1.1 llmapi",
        ),
        pytest.param(
            "0.10.0",
            {"shm_prefix": "own-", "extra": ("--grpc-address=::1",), "mpirun": "/mpi/mpirun"},
            f"{ONE.replace('mpirun', '/mpi/mpirun', 1)} {PORTS} {fixed(0).replace('prefix0', 'own-0')} "
            "--grpc-address=::1 :",
            id="what we add",
        ),
    ],
)
def test_argv(release: str, options: dict[str, object], expected: str) -> None:
    assert argv(Release.parse(release), Options(model_repository="/repo", **options)) == tuple(expected.split())  # type: ignore[arg-type]


def golden_cases() -> list[object]:
    cases: list[object] = []
    for version in FILES:
        path = GOLDEN / f"launch_{version}.json"
        if path.is_file():
            commands = json.loads(path.read_text(encoding="utf-8"))["golden_commands"]
            cases += [pytest.param(version, name, commands[name], id=f"{version} {name}") for name in commands]
    absent = pytest.mark.skip(reason="the golden commands of the official launcher are not at hand")
    return cases or [pytest.param("", "", {}, marks=absent, id="absent")]


@pytest.mark.parametrize(("version", "name", "case"), golden_cases())
def test_golden(version: str, name: str, case: dict[str, object]) -> None:
    """The golden commands were composed for 4 GPUs and Triton 24.11, unless their name says otherwise."""
    options = official(case["argv"], "24.06" if name.endswith("24.06") else "24.11")  # type: ignore[arg-type]
    assert argv(Release.parse(version), options) == tuple(case["command"])  # type: ignore[arg-type]
    assert environment(Release.parse(version), options) == case["extra_env"]


def official(given: list[str], triton_version: str) -> Options:
    """The official launcher's own flags as options."""
    parser = argparse.ArgumentParser()
    for name, number in (("world_size", 1), ("grpc_port", 8001), ("http_port", 8000), ("metrics_port", 8002)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--multimodal_gpu0_cuda_mem_pool_bytes", type=int, default=0)
    parser.add_argument("--model_repo")
    parser.add_argument("--tensorrt_llm_model_name", default="tensorrt_llm")
    for flag in ("--log", "--oversubscribe", "--multi-model", "--disable-spawn-processes", "--no-mpi"):
        parser.add_argument(flag, action="store_true")
    read = parser.parse_args(given)
    return Options(
        model_repository=read.model_repo,
        world_size=read.world_size,
        ports=Ports(read.grpc_port, read.http_port, read.metrics_port),
        engine_models=tuple(read.tensorrt_llm_model_name.split(",")),
        log="triton_log.txt" if read.log else None,
        oversubscribe=read.oversubscribe,
        multi_model=read.multi_model,
        disable_spawn_processes=read.disable_spawn_processes,
        gpu0_pool_bytes=read.multimodal_gpu0_cuda_mem_pool_bytes,
        gpus=4,
        triton_version=triton_version,
        no_mpi=read.no_mpi,
    )


@pytest.mark.parametrize(
    ("release", "options", "words"),
    [
        pytest.param("0.10.0", {"oversubscribe": True}, "--oversubscribe .* came with 0.11", id="oversubscribe"),
        pytest.param("0.18.2", {"no_mpi": True}, "--no-mpi .* came with 0.19", id="no MPI"),
        pytest.param("0.19.0", {"llmapi_launch": True}, "came with 0.20", id="llmapi launch"),
        pytest.param(
            "0.19.0", {"no_mpi": True, "world_size": 2}, "2 ranks: leave --no-mpi out", id="no MPI, two ranks"
        ),
        pytest.param("0.16.0", {"multi_model": True, "world_size": 2}, "starts its workers itself", id="orchestrator"),
        pytest.param("0.16.0", {"disable_spawn_processes": True}, "belongs to --orchestrator", id="no orchestrator"),
        pytest.param("0.16.0", {"world_size": 0}, "give 1 or more", id="no rank"),
    ],
)
def test_what_a_release_cannot_do(release: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        argv(Release.parse(release), Options(model_repository="/repo", **options))  # type: ignore[arg-type]


def test_releases() -> None:
    row = {text: launcher(Release.parse(text)) for text in ("0.13.0", "0.18.2", "0.19.0", "1.1.0rc6", "1.2.1")}
    assert row["0.18.2"] == row["0.13.0"]
    assert row["1.1.0rc6"] == row["1.2.1"]
    assert row["1.2.1"].inferred
    assert not row["0.19.0"].inferred
    with pytest.raises(ContractError, match=r"first release known is 0\.10\.0"):
        launcher(Release.parse("0.9.0"))
