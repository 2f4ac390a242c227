"""The runner of a build, with stages made by hand: a small program stands for each tool."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from model_repo_builder.build import Build, Progress
from model_repo_builder.errors import BuildError, BuildStopped
from model_repo_builder.stages import PYTHON, Command, Fix, Stage, Written
from tests.support.processes import gone

# Appends to the log of calls; "wait" holds it, with a helper process, until it is ended.
TOOL = """
import os, pathlib, subprocess, sys
name, out, read, text = sys.argv[1:5]
root = pathlib.Path(out).parent
with open(root / "calls", "a") as calls:
    calls.write(name + "\\n")
print("working on", name, "with", os.environ.get("EXTRA", "nothing"), flush=True)
given = pathlib.Path(read).read_text() if read else ""
target = pathlib.Path(out)
(target / "half").write_text("half")
if (root / f"wait-{name}").exists():
    helper = subprocess.Popen(["sleep", "600"])
    (root / "held").write_text(f"{os.getpid()} {helper.pid}")
    helper.wait()
if (root / f"fail-{name}").exists():
    print("\\x1b[31mno such\\rRuntimeError: no kernel\\x1b[0m", flush=True)
    sys.exit(3)
(target / "result").write_text(given + text)
(target / "config.json").write_text('{"rotary": 1, "deep": {"kept": true}}')
"""
DEADLINE = 30


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "tool.py").write_text(TOOL)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return folder


def stages(output: Path, **texts: str) -> tuple[Stage, ...]:
    """convert → quantize → engine."""
    made: list[Stage] = []
    source = output.parent / "model" / "config.json"
    read = ""
    for name in ("convert", "quantize", "engine"):
        folder = output / name
        argv = (PYTHON, str(output.parent / "tool.py"), name, str(folder), read, texts.get(name, name[0]))
        made.append(
            Stage(
                name=name,
                commands=(Command(argv, env=MappingProxyType({"EXTRA": f"{name}-env"})),),
                reads=(source,),
                writes=(folder / "result", folder / "config.json"),
                output=folder,
                reason="needed",
            )
        )
        source, read = folder / "result", str(folder / "result")
    return tuple(made)


def build(output: Path, plan: tuple[Stage, ...] | None = None, **changes: object) -> Build:
    return Build(plan or stages(output), output, release="0.10.0", **changes)  # type: ignore[arg-type]


def calls(output: Path) -> str:
    """The initials of the tools that ran since the last look."""
    path = output / "calls"
    text = "".join(line[0] for line in path.read_text().split()) if path.exists() else ""
    path.unlink(missing_ok=True)
    return text


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


def test_runs_every_stage_once(output: Path) -> None:
    seen: list[Progress] = []
    states = build(output, progress=seen.append).run()
    assert [state.why for state in states] == ["it has not run yet"] * 3
    assert (output / "engine" / "result").read_text() == "cqe"
    assert calls(output) == "cqe"
    assert [(p.number, p.count, p.stage) for p in seen if p.ended] == [
        (1, 3, "convert"),
        (2, 3, "quantize"),
        (3, 3, "engine"),
    ]
    assert seen[-1].tail == "working on engine with engine-env"
    assert seen[-1].written == sum(file.stat().st_size for file in (output / "engine").iterdir())
    log = (output / "logs" / "02-quantize.log").read_text()
    assert log.startswith("$ EXTRA=quantize-env python3 ")
    assert "working on quantize" in log
    assert all(state.finished for state in build(output).run())
    assert calls(output) == ""


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param({"engine": "E"}, "e", id="last"),
        pytest.param({"quantize": "Q"}, "qe", id="middle"),
        pytest.param({"convert": "C"}, "cqe", id="first"),
    ],
)
def test_a_changed_command_runs_what_depends_on_it(output: Path, change: dict[str, str], again: str) -> None:
    build(output).run()
    calls(output)
    build(output, stages(output, **change)).run()
    assert calls(output) == again
    assert (output / "engine" / "result").read_text() == "".join(
        change.get(name, name[0]) for name in ("convert", "quantize", "engine")
    )
    assert not list(output.glob("*.previous"))


@pytest.mark.parametrize(
    ("damage", "again"),
    [
        pytest.param("model/config.json", "cqe", id="input"),
        pytest.param("out/quantize/result", "q", id="result"),
    ],
)
def test_a_changed_file_runs_its_stage_again(output: Path, damage: str, again: str) -> None:
    build(output).run()
    calls(output)
    (output.parent / damage).write_text("{ }")
    build(output).run()
    assert calls(output) == again


def test_another_release_runs_all_again(output: Path) -> None:
    build(output).run()
    calls(output)
    Build(stages(output), output, release="0.11.0").run()
    assert calls(output) == "cqe"


def test_a_moved_build_is_still_finished(output: Path, tmp_path: Path) -> None:
    build(output).run()
    moved = tmp_path / "elsewhere" / "out"
    moved.parent.mkdir()
    output.rename(moved)
    (tmp_path / "elsewhere" / "model").symlink_to(tmp_path / "model")
    plan = tuple(
        replace(
            stage,
            commands=tuple(replace(c, argv=tuple(_back(a, moved, output) for a in c.argv)) for c in stage.commands),
        )
        for stage in stages(moved)
    )
    assert [state.why for state in build(moved, plan).states()] == ["", "", ""]


def _back(argument: str, moved: Path, output: Path) -> str:
    """Only what is outside of the output folder stayed where it was."""
    return argument if argument.startswith(str(moved)) else argument.replace(str(moved.parent), str(output.parent))


def test_a_result_that_somebody_changed_is_kept(output: Path) -> None:
    build(output).run()
    (output / "engine" / "config.json").write_text('{"mine": true}')
    assert build(output).run()[-1].why == "config.json is not the file that it wrote"
    assert (output / "engine" / "config.json").read_text().startswith('{"rotary"')
    assert (output / "engine.previous" / "config.json").read_text() == '{"mine": true}'


def test_a_stage_is_finished_with_what_belongs_to_it(output: Path) -> None:
    def fail(stage: Stage) -> None:
        raise BuildError(f"no lock for {stage.name}")

    with pytest.raises(BuildError, match=r"^no lock for convert$"):
        build(output, finish=fail).run()
    build(output, finish=lambda stage: (stage.output / "lock").touch()).run()
    assert calls(output) == "ccqe"
    assert (output / "convert" / "lock").exists()


def test_used_up_results_may_be_removed(output: Path) -> None:
    build(output).run()
    calls(output)
    for name in ("convert", "quantize"):
        for file in (output / name).iterdir():
            file.unlink()
        (output / name).rmdir()
    build(output).run()
    assert calls(output) == ""
    build(output, stages(output, engine="E")).run()
    assert calls(output) == "cqe"


def test_from_runs_again_what_is_finished(output: Path) -> None:
    build(output).run()
    calls(output)
    build(output).run("quantize")
    assert calls(output) == "qe"


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        pytest.param("launch", "there is no stage launch: this build has convert, quantize, engine", id="unknown"),
        pytest.param(
            "engine", "stage convert is not finished (it has not run yet), so engine cannot begin", id="early"
        ),
    ],
)
def test_from_a_stage_that_cannot_begin(output: Path, start: str, sentence: str) -> None:
    with pytest.raises(BuildError, match="^" + sentence.replace("(", r"\(").replace(")", r"\)")):
        build(output).run(start)
    assert calls(output) == ""


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


def test_files_are_written_before_and_mended_after(output: Path) -> None:
    first = stages(output)[0]
    argument = str(output / "convert" / "given.txt")
    command = replace(first.commands[0], argv=(*first.commands[0].argv[:4], argument, "!"))
    fix = Fix(output / "convert" / "config.json", MappingProxyType({"rotary": 2, "deep.more": "x"}), "a hole")
    files = (Written(Path(argument), "given"),)
    plan = (replace(first, commands=(command,), files=files, fixes=(fix,)),)
    build(output, plan).run()
    assert (output / "convert" / "result").read_text() == "given!"
    assert json.loads((output / "convert" / "config.json").read_text()) == {
        "rotary": 2,
        "deep": {"kept": True, "more": "x"},
    }
    assert all(state.finished for state in build(output, plan).states())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"disk_bytes": 5 * 10**9}, "convert will write about 5.0 GB, and .* has 1.0 GB free: make 4.0 GB", id="disk"
        ),
        pytest.param(
            {"reads": (Path("/no/such/model"),)}, "/no/such/model does not exist, and stage convert", id="input"
        ),
        pytest.param(
            {"commands": (Command(("trtllm-build-9",)),)}, "trtllm-build-9 is not on PATH: run the build in", id="tool"
        ),
        pytest.param({"needs_gpu": True}, "stage convert needs a GPU, and nvidia-smi is not on PATH", id="gpu"),
    ],
)
def test_refused_before_anything_runs(output: Path, changes: dict[str, object], sentence: str) -> None:
    plan = (replace(stages(output)[0], **changes),)  # type: ignore[arg-type]
    with pytest.raises(BuildError, match=f"^{sentence}"):
        build(output, plan, free=lambda folder: 10**9, environment={"PATH": "/nowhere"}).run()
    assert calls(output) == ""
    assert not (output / "convert").exists()


def test_a_foreign_folder_is_left_untouched(output: Path) -> None:
    (output / "engine").mkdir()
    (output / "engine" / "rank0.engine").write_text("mine")
    with pytest.raises(BuildError, match=r"^.*/engine is not empty and no build of this recipe wrote it"):
        build(output).run()
    assert (output / "engine" / "rank0.engine").read_text() == "mine"
    assert calls(output) == ""


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
from tests.model_repo_builder.test_build import build
build(Path({str(output)!r})).run()
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: (output / "held").exists() and (output / "held").read_text().count(" ") == 1)
    process.kill()
    process.wait()
    _resume(output, name)
    until(lambda: all(gone(int(pid)) for pid in (output / "held").read_text().split()))


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
