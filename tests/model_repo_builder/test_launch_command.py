"""What ``launch`` starts for its flags and a repository's engines, seen by stand-ins, and what it refuses to start."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from model_repo_builder import lock
from tests.model_repo_builder.launching import (
    DEADLINE,
    STEP,
    bare_repository,
    calls,
    command,
    launched,
    nothing_left,
)
from tests.model_repo_builder.stand_ins import write_mpirun, write_tritonserver
from tests.model_repo_builder.test_served_engine import write_engine, write_model
from tests.support.waiting import until


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return bare_repository(tmp_path)


def test_devices_of_each_instance(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    with launched(command(repository, program, "--devices", "0,1;2,3", STEP), 2):
        devices = {call["environment"]["CUDA_VISIBLE_DEVICES"] for call in calls(program)}
    assert devices == {"0,1", "2,3"}
    nothing_left(program)


@pytest.mark.parametrize(
    ("parameters", "flags", "ranks", "orchestrator"),
    [
        pytest.param({}, [], 2, None, id="as many ranks as the engine says"),
        pytest.param({}, ["--orchestrator"], 1, "1", id="the orchestrator starts them itself"),
        pytest.param(
            {"participant_ids": "1,2"},
            ["--orchestrator", "--disable-spawn-processes"],
            3,
            "1",
            id="the orchestrator and its workers",
        ),
    ],
)
def test_an_engine_of_two_ranks(
    tmp_path: Path, repository: Path, parameters: dict[str, str], flags: list[str], ranks: int, orchestrator: str | None
) -> None:
    program = write_tritonserver(tmp_path / "bin")
    write_mpirun(tmp_path / "mpi")
    shutil.rmtree(repository / "tensorrt_llm")
    write_model(repository / "tensorrt_llm", gpt_model_path=write_engine(tmp_path / "engine"), **parameters)
    with launched(command(repository, program, *flags), 1, tmp_path / "mpi"):
        until(lambda: len(calls(program)) == ranks)
        found = calls(program)
    assert {call["environment"]["TRTLLM_ORCHESTRATOR"] for call in found} == {orchestrator}
    assert sum("--load-model=tensorrt_llm" in call["argv"] for call in found) == ranks - 1
    nothing_left(program)


def test_an_inferred_command_is_said_to_be_one(tmp_path: Path, repository: Path) -> None:
    words = command(repository, write_tritonserver(tmp_path / "bin"), "--world-size", "1", "--trtllm-version", "1.1")
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=DEADLINE, check=False, env={**os.environ, "PATH": str(tmp_path)}
    )
    assert done.returncode == 1  # there is no mpirun
    assert "note: how TensorRT-LLM 1.1.0 is launched is inferred" in done.stderr


def test_an_engine_of_another_place_is_refused(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    lock.write(lock.Lock(release="0.10.0", engine_dir=tmp_path / "gone", engine={}), repository)
    done = subprocess.run(command(repository, program), capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode, calls(program)) == (2, [])
    assert done.stderr.endswith("gone does not exist: mount it there, or build again\n")


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        pytest.param(["--world-size", "2", "--trtllm-version", "0.10.0"], 1, "mpirun was not found", id="no mpirun"),
        pytest.param(["--world-size", "2"], 2, "give it with --trtllm-version", id="no release"),
        pytest.param(["--trtllm-version", "new"], 2, "is no release of TensorRT-LLM", id="release"),
        pytest.param(["--orchestrator"], 2, "--orchestrator is for TensorRT-LLM", id="no engine"),
        pytest.param(["--devices", "0,;1"], 2, "are no devices", id="devices"),
        pytest.param(["--instances", "0"], 2, "no number from 1 to 1024", id="none"),
        pytest.param(["--instances", "2", "--port-step", "1"], 2, "two of the instances", id="ports"),
    ],
)
def test_what_is_refused_before_anything_starts(
    tmp_path: Path, repository: Path, flags: list[str], code: int, words: str
) -> None:
    program = write_tritonserver(tmp_path / "bin")
    done = subprocess.run(
        command(repository, program, *flags),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert words in done.stderr
    assert calls(program) == []


def test_the_nginx_configuration(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    conf = tmp_path / "triton.conf"
    words = command(repository, program, "--instances", "2", STEP, "--nginx-conf", str(conf))
    with launched(words, 2):
        servers = [line.split()[1] for line in conf.read_text().splitlines() if line.startswith("    server ")]
    ports = [
        int(call["argv"][call["argv"].index(f"--{name}-port") + 1])
        for name in ("http", "grpc")
        for call in sorted(calls(program), key=lambda call: str(call["argv"]))
    ]
    assert sorted(servers) == sorted(f"127.0.0.1:{port}" for port in ports)
    conf.write_text("worker_processes 1;\n")
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode, "was not written by this command" in done.stderr) == (2, True)
    assert conf.read_text() == "worker_processes 1;\n"


def test_each_instance_has_a_log_of_its_own(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin", "fails")
    words = command(repository, program, "--instances", "2", STEP, "--log-file", str(tmp_path / "logs" / "triton.log"))
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 1
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["triton-1.log", "triton-2.log"]


def test_a_launcher_of_llmapi_that_is_missing(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    write_mpirun(tmp_path / "mpi")
    (repository / "tensorrt_llm" / "1").mkdir()
    (repository / "tensorrt_llm" / "1" / "model.yaml").write_text("model: x\ntensor_parallel_size: 2\n")
    done = subprocess.run(
        command(repository, program, "--trtllm-llmapi-launch"),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env={**os.environ, "PATH": str(tmp_path / "mpi")},
    )
    assert done.returncode == 1
    assert "trtllm-llmapi-launch was not found" in done.stderr
    assert calls(program) == []
