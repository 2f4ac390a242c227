"""Several servers as one, with stand-ins for tritonserver and mpirun: signals, deaths, exit codes, leftovers."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder import lock
from model_repo_builder.ports import Ports
from tests.model_repo_builder.stand_ins import write_mpirun, write_tritonserver
from tests.model_repo_builder.test_served_engine import write_engine, write_model

DEADLINE = 30
STEP = "--port-step=3"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / "tensorrt_llm"
    folder.mkdir(parents=True)
    (folder / "config.pbtxt").write_text('name: "tensorrt_llm" backend: "python"')
    return folder.parent


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


def calls(program: Path) -> list[dict[str, Any]]:
    path = program.with_name("calls.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def alive(call: dict[str, Any]) -> bool:
    try:
        state = Path("/proc", str(call["pid"]), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def regions(found: list[dict[str, Any]]) -> list[Path]:
    prefixes = {word.partition("prefix-name=")[2] for call in found for word in call["argv"] if "prefix-name" in word}
    assert len(prefixes) == len(found)
    return [path for prefix in prefixes for path in Path("/dev/shm").glob(f"{prefix}*")]


def command(repository: Path, program: Path, *flags: str) -> list[str]:
    base = Ports.free().grpc
    ports = ["--grpc-port", str(base), "--http-port", str(base + 1), "--metrics-port", str(base + 2)]
    builder = [sys.executable, "-m", "model_repo_builder.cli", "launch", str(repository)]
    return [*builder, "--tritonserver", str(program), *ports, *flags]


@contextmanager
def launched(words: list[str], ready: int, path: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """The command, when it has said that many times that an instance is ready."""
    environment = {**os.environ, **({"PATH": f"{path}:{os.environ['PATH']}"} if path else {})}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            seen: list[str] = []
            while sum(" is ready: " in line for line in seen) < ready:
                seen.append(process.stderr.readline())
                assert seen[-1], seen
            yield process
        finally:
            process.kill()


def rest(process: "subprocess.Popen[str]") -> str:
    return process.communicate(timeout=DEADLINE)[1]


def nothing_left(program: Path) -> None:
    found = calls(program)
    until(lambda: not any(alive(call) for call in found) and regions(found) == [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_all(tmp_path: Path, repository: Path, number: signal.Signals) -> None:
    program = write_tritonserver(tmp_path / "bin")
    with launched(command(repository, program, "--instances", "3", STEP), 3) as process:
        found = calls(program)
        assert [alive(call) for call in found] == [True] * 3
        assert len(regions(found)) == 3
        process.send_signal(number)
        assert process.wait(DEADLINE) == (-number if number == signal.SIGKILL else 0)
    nothing_left(program)


def test_a_second_signal_ends_those_that_do_not_listen(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin", "deaf")
    with launched(command(repository, program, "--instances", "2", STEP), 2) as process:
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 128 + signal.SIGKILL
    nothing_left(program)


def test_when_one_dies_the_others_are_stopped(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    with launched(command(repository, program, "--instances", "2", STEP), 2) as process:
        os.kill(calls(program)[0]["pid"], signal.SIGKILL)
        said = rest(process)
    assert process.returncode == 1
    assert f"tritonserver ended by itself with exit code {128 + signal.SIGKILL}" in said
    assert "triton-1" in said or "triton-2" in said
    nothing_left(program)


def test_the_others_go_on_where_that_is_asked(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    words = command(repository, program, "--instances", "2", STEP, "--keep-going")
    with launched(words, 2) as process:
        first, second = calls(program)
        os.kill(first["pid"], signal.SIGKILL)
        assert process.stderr is not None
        assert "; the others go on" in process.stderr.readline()
        assert alive(second)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 1
    nothing_left(program)


def test_the_last_one_ends_it_even_so(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    with launched(command(repository, program, "--instances", "2", STEP, "--keep-going"), 2) as process:
        for call in calls(program):
            os.kill(call["pid"], signal.SIGKILL)
        assert "ended by itself" in rest(process)
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("behaviour", "flags", "words"),
    [
        pytest.param("fails", [], "tritonserver did not start: model m did not load: no GPU", id="one fails"),
        pytest.param("slow", ["--timeout", "1"], "was not ready after 1 s", id="one takes too long"),
    ],
)
def test_a_start_that_fails(tmp_path: Path, repository: Path, behaviour: str, flags: list[str], words: str) -> None:
    program = write_tritonserver(tmp_path / "bin", behaviour)
    done = subprocess.run(
        command(repository, program, "--instances", "2", STEP, *flags),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    nothing_left(program)


def test_devices_of_each_instance(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    with launched(command(repository, program, "--devices", "0,1;2,3", STEP), 2):
        devices = {call["environment"]["CUDA_VISIBLE_DEVICES"] for call in calls(program)}
    assert devices == {"0,1", "2,3"}
    nothing_left(program)


def test_ranks_are_started_by_mpirun_and_end_with_it(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    write_mpirun(tmp_path / "mpi")
    words = command(repository, program, "--world-size", "3", "--trtllm-version", "0.10.0")
    with launched(words, 1, tmp_path / "mpi") as process:
        until(lambda: len(calls(program)) == 3)
        found = calls(program)
        assert sorted(call["rank"] for call in found) == ["first", "later", "later"]
        until(lambda: len(regions(found)) == 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    nothing_left(program)


def test_ranks_do_not_outlive_an_mpirun_that_is_killed(tmp_path: Path, repository: Path) -> None:
    program = write_tritonserver(tmp_path / "bin")
    mpirun = write_mpirun(tmp_path / "mpi")
    words = command(repository, program, "--world-size", "2", "--trtllm-version", "0.19.0")
    with launched(words, 1, tmp_path / "mpi") as process:
        until(lambda: len(calls(program)) == 2)
        running = [path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if _runs(path, mpirun)]
        assert len(running) == 1
        os.kill(int(running[0].name), signal.SIGKILL)
        assert "ended by itself" in rest(process)
    assert process.returncode == 1
    nothing_left(program)


def _runs(cmdline: Path, program: Path) -> bool:
    try:
        return cmdline.read_bytes().split(b"\0")[1:2] == [str(program).encode()]
    except OSError:
        return False


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
