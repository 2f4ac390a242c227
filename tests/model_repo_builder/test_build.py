"""The runner of a build, with stages made by hand: what runs, what runs again, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from model_repo_builder.build import Build, Progress
from model_repo_builder.errors import BuildError
from model_repo_builder.stages import Command, Fix, Stage, Written
from tests.model_repo_builder.small_stages import build, calls, stages, write_tool


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return write_tool(tmp_path)


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
