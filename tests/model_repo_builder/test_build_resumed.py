"""The runner of a build whose tools fail, or that is stopped or killed: what it says, and how it goes on."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from model_repo_builder.build import Build, Progress
from model_repo_builder.errors import BuildError, BuildStopped
from model_repo_builder.stages import PYTHON, Command
from tests.model_repo_builder.small_stages import build, calls, stages, write_tool
from tests.support.processes import gone
from tests.support.waiting import wait_for

DEADLINE = 30


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return write_tool(tmp_path)


@pytest.mark.parametrize("name", ["convert", "quantize", "engine"])
def test_a_failing_tool_shows_its_log_and_is_resumed(output: Path, name: str) -> None:
    (output / f"fail-{name}").touch()
    with pytest.raises(BuildError, match=rf"^stage {name} failed with exit code 3: .* log is {output}/logs/") as caught:
        build(output).run()
    assert caught.value.log.splitlines()[-1] == "RuntimeError: no kernel"
    assert calls(output) == "cqe"[: "cqe".index(name[0]) + 1]
    (output / f"fail-{name}").unlink()
    build(output).run()
    assert calls(output) == "cqe"["cqe".index(name[0]) :]
    assert (output / "engine" / "result").read_text() == "cqe"


def test_a_failed_change_gives_the_old_result_back(output: Path) -> None:
    build(output).run()
    (output / "fail-engine").touch()
    with pytest.raises(BuildError, match=r"^stage engine failed"):
        build(output, stages(output, engine="E")).run()
    assert (output / "engine.previous" / "result").read_text() == "cqe"
    calls(output)
    build(output).run()
    assert calls(output) == ""
    assert (output / "engine" / "result").read_text() == "cqe"
    assert not (output / "engine.previous").exists()


def test_a_tool_that_writes_nothing_has_failed(output: Path) -> None:
    plan = stages(output)
    quiet = replace(plan[0], commands=(Command((PYTHON, "-c", "print('all is well')")),))
    with pytest.raises(BuildError, match=r"^stage convert ended well but did not write .*/convert/result") as caught:
        build(output, (quiet, *plan[1:])).run()
    assert caught.value.log.endswith("all is well")


def test_a_disk_that_fills_up_meanwhile_is_seen_before_the_next_stage(output: Path) -> None:
    plan = tuple(replace(stage, disk_bytes=10**9) for stage in stages(output))

    def free(folder: Path) -> int:
        return 4 * 10**9 if not (output / "convert" / "result").exists() else 10**8

    with pytest.raises(BuildError, match=r"^quantize will write about 1\.0 GB"):
        build(output, plan, free=free).run()
    assert calls(output) == "c"
    build(output, plan).run()
    assert calls(output) == "qe"


@pytest.mark.parametrize("name", ["convert", "quantize", "engine"])
def test_stopped_and_resumed(output: Path, name: str) -> None:
    (output / f"wait-{name}").touch()
    running: list[Build] = []

    def stop(progress: Progress) -> None:
        if (output / "held").exists():
            running[0].stop()

    running.append(build(output, progress=stop))
    with pytest.raises(BuildStopped, match=f"^stopped in stage {name}: the same command goes on there"):
        running[0].run()
    assert all(gone(int(pid)) for pid in (output / "held").read_text().split())
    _resume(output, name)


@pytest.mark.parametrize("name", ["convert", "quantize", "engine"])
def test_killed_and_resumed(output: Path, name: str) -> None:
    (output / f"wait-{name}").touch()
    program = f"""
import sys; sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from tests.model_repo_builder.small_stages import build
build(Path({str(output)!r})).run()
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    held = output / "held"
    wait_for(lambda: held.exists() and held.read_text().count(" ") == 1, DEADLINE, "a tool and its helper are held")
    process.kill()
    process.wait()
    _resume(output, name)
    wait_for(lambda: all(gone(int(pid)) for pid in held.read_text().split()), DEADLINE, "both are gone")


def _resume(output: Path, name: str) -> None:
    """``half`` is what the tool wrote before it ended."""
    (output / f"wait-{name}").unlink()
    place = "cqe".index(name[0])
    assert calls(output) == "cqe"[: place + 1]
    assert (output / name / "half").exists()
    assert not (output / name / "result").exists()
    states = build(output).run()
    assert [state.why for state in states][: place + 1] == [""] * place + ["it was interrupted"]
    assert calls(output) == "cqe"[place:]
    assert (output / "engine" / "result").read_text() == "cqe"


def test_two_builds_in_one_folder(output: Path) -> None:
    (output / "wait-convert").touch()
    refused: list[str] = []
    running: list[Build] = []

    def second(progress: Progress) -> None:
        if (output / "held").exists() and not refused:
            with pytest.raises(BuildError) as caught:
                build(output).run()
            refused.append(str(caught.value))
            running[0].stop()

    running.append(build(output, progress=second))
    with pytest.raises(BuildStopped):
        running[0].run()
    assert refused == [f"another build is running in {output}: wait for it, or choose another output folder"]


@pytest.mark.parametrize(
    ("script", "free", "sentence"),
    [
        pytest.param("exit 1", 0, "failed with exit code 1: the disk of .*/out is full: make room, then", id="disk"),
        pytest.param("kill -9 $$", 10**9, "was ended by signal 9: the machine was probably out of memory", id="memory"),
        pytest.param("exit 2", 10**9, "failed with exit code 2: mend what its log says, then run", id="other"),
    ],
)
def test_what_a_failure_hints_at(output: Path, script: str, free: int, sentence: str) -> None:
    failing = replace(stages(output)[0], commands=(Command(("sh", "-c", script)),))
    with pytest.raises(BuildError, match=f"^stage convert {sentence}"):
        build(output, (failing,), free=lambda folder: free).run()
