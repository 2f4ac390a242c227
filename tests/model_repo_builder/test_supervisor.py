"""Several servers as one, with stand-ins for tritonserver and mpirun: signals, deaths, exit codes, leftovers."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.model_repo_builder.launching import (
    DEADLINE,
    STEP,
    alive,
    bare_repository,
    calls,
    command,
    launched,
    nothing_left,
    regions,
    rest,
    until,
)
from tests.model_repo_builder.stand_ins import write_mpirun, write_tritonserver


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return bare_repository(tmp_path)


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


@pytest.mark.parametrize("asked", [False, True], ids=["by itself", "while it is asked to end"])
def test_one_that_crashed_and_hangs_is_killed(tmp_path: Path, repository: Path, asked: bool) -> None:
    program = write_tritonserver(tmp_path / "bin", "crashes")
    with launched(command(repository, program), 1) as process:
        if asked:
            process.send_signal(signal.SIGTERM)
        os.kill(calls(program)[0]["pid"], signal.SIGUSR1)
        said = rest(process)
    assert process.returncode == (128 + signal.SIGKILL if asked else 1)
    assert asked or "error: tritonserver crashed (SIGABRT) and was ended" in said
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
