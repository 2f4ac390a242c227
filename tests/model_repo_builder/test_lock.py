"""What was built is remembered, and a machine that cannot serve it is told why."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from model_repo_builder import fingerprint, lock
from model_repo_builder.errors import RepositoryError
from model_repo_builder.lock import Lock
from model_repo_builder.machine import Gpu, Machine, parse_gpus, this_machine
from model_repo_builder.stages import Command, Stage

H100 = Gpu("NVIDIA H100 80GB HBM3", "9.0", 81559)
A100 = Gpu("NVIDIA A100-SXM4-80GB", "8.0", 81920)
BUILT_ON = Machine("0.10.0", "10.0.1", (H100, H100), "nvcr.io/nvidia/tritonserver:24.06-trtllm-python-py3")


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "config.json").write_text('{"version": "0.10.0"}')
    for rank in range(2):
        (folder / f"rank{rank}.engine").write_bytes(b"engine %d" % rank)
    return folder


def made(engine: Path) -> Lock:
    stage = Stage(
        "engine", (Command(("trtllm-build", "--output_dir", str(engine))),), (), (), output=engine, reason="needed"
    )
    inputs = engine.parent / "model"
    inputs.mkdir()
    (inputs / "config.json").write_text("{}")
    (inputs / ".git").mkdir()
    (inputs / ".git" / "HEAD").write_text("changes with every commit")
    return lock.of_build([stage], engine, release="0.10.0", world_size=2, machine=BUILT_ON, inputs=[inputs])


def test_is_read_as_it_was_written(engine: Path, tmp_path: Path) -> None:
    written = made(engine)
    assert lock.write(written, tmp_path).name == "build.lock.json"
    assert lock.read(tmp_path) == written
    assert written.commands == (f"trtllm-build --output_dir {engine}",)
    assert sorted(written.engine) == ["config.json", "rank0.engine", "rank1.engine"]
    assert list(written.inputs or {}) == [str(tmp_path / "model" / "config.json")]
    assert lock.check(written, BUILT_ON) == ()


@pytest.mark.parametrize(
    ("machine", "sentence"),
    [
        pytest.param(Machine(), None, id="nothing-known"),
        pytest.param(
            replace(BUILT_ON, release="0.11.0"),
            "the engine was built for TensorRT-LLM 0.10.0 and 0.11.0 is installed here: run the image of 0.10.0, "
            "such as nvcr.io/nvidia/tritonserver:24.06-trtllm-python-py3, or build again here",
            id="release",
        ),
        pytest.param(
            replace(BUILT_ON, release="0.10.0rc1"),
            "the engine was built for TensorRT-LLM 0.10.0 and 0.10.0rc1 is",
            id="candidate",
        ),
        pytest.param(
            replace(BUILT_ON, tensorrt="10.1.0"),
            "the engine was built with TensorRT 10.0.1 and 10.1.0 is installed here: run the image that built it",
            id="tensorrt",
        ),
        pytest.param(
            replace(BUILT_ON, gpus=(A100, A100)),
            "the engine was built on NVIDIA H100 80GB HBM3 (compute capability 9.0) and this machine has "
            "NVIDIA A100-SXM4-80GB (compute capability 8.0): TensorRT engines do not run on another kind of GPU; "
            "build again here, or serve on NVIDIA H100 80GB HBM3",
            id="gpu",
        ),
        pytest.param(replace(BUILT_ON, gpus=(Gpu("NVIDIA H200", "9.0"),) * 2), None, id="same-chip"),
        pytest.param(
            replace(BUILT_ON, gpus=(Gpu("Tesla T4"),) * 2), "the engine was built on NVIDIA H100", id="name-alone"
        ),
        pytest.param(
            replace(BUILT_ON, gpus=(H100,)), "the engine needs 2 GPUs and nvidia-smi shows 1: give the", id="too-few"
        ),
        pytest.param(replace(BUILT_ON, gpus=()), "the engine needs 2 GPUs and nvidia-smi shows 0", id="none"),
        pytest.param(replace(BUILT_ON, gpus=None), None, id="no-nvidia-smi"),
    ],
)
def test_another_machine(engine: Path, tmp_path: Path, machine: Machine, sentence: str | None) -> None:
    lock.write(made(engine), tmp_path)
    found = lock.mismatch(tmp_path, machine)
    if sentence is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(sentence)


def _remove_folder(engine: Path) -> None:
    engine.rename(engine.with_name("away"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(
            lambda engine: (engine / "rank1.engine").write_bytes(b"engine 2"),
            "{engine}/rank1.engine is not the file that was built: build again",
            id="changed",
        ),
        pytest.param(
            lambda engine: (engine / "rank0.engine").unlink(), "{engine}/rank0.engine is missing: build", id="missing"
        ),
        pytest.param(
            lambda engine: (engine / "config.json").write_text("{}"), "{engine}/config.json is not", id="config"
        ),
        pytest.param(_remove_folder, "the engine folder {engine} does not exist: mount it there", id="folder"),
    ],
)
def test_another_engine(engine: Path, tmp_path: Path, change: Callable[[Path], object], sentence: str) -> None:
    lock.write(made(engine), tmp_path)
    change(engine)
    found = lock.mismatch(tmp_path, BUILT_ON)
    assert found is not None
    assert found.startswith(sentence.format(engine=engine))


def test_a_repository_made_by_hand_has_no_lock(tmp_path: Path) -> None:
    assert lock.mismatch(tmp_path, BUILT_ON) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="no-object"),
        pytest.param("{}", id="empty"),
        pytest.param(json.dumps({"format": 2}), id="format"),
        pytest.param(json.dumps({"format": 1, "gpus": [{"nam": "x"}]}), id="gpu"),
    ],
)
def test_a_damaged_lock(tmp_path: Path, text: str) -> None:
    (tmp_path / "build.lock.json").write_text(text)
    with pytest.raises(RepositoryError, match=r"build\.lock\.json cannot be read .*: build again, or remove it"):
        lock.mismatch(tmp_path, BUILT_ON)


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        pytest.param("NVIDIA H100 80GB HBM3, 9.0, 81559\n" * 2, (H100, H100), id="two"),
        pytest.param("", (), id="none"),
        pytest.param("NVIDIA Thing, rev B, 8.9, 1\n", (Gpu("NVIDIA Thing, rev B", "8.9", 1),), id="comma"),
        pytest.param("a warning\nTesla T4, 7.5, 15360\n", (Gpu("Tesla T4", "7.5", 15360),), id="other-lines"),
        pytest.param("GRID, [N/A], [N/A]\n", (Gpu("GRID"),), id="unknown"),
    ],
)
def test_gpus_of_nvidia_smi(text: str, gpus: tuple[Gpu, ...]) -> None:
    assert parse_gpus(text) == gpus


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        pytest.param("echo 'NVIDIA H100 80GB HBM3, 9.0, 81559'", (H100,), id="found"),
        pytest.param("echo 'No devices were found'; exit 6", None, id="failed"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, gpus: tuple[Gpu, ...] | None
) -> None:
    if script is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NVIDIA_TRITON_SERVER_VERSION", "24.06")
    machine = this_machine()
    assert machine.gpus == gpus
    assert machine.image == "NVIDIA_TRITON_SERVER_VERSION=24.06"
    assert this_machine({**os.environ, "MODEL_REPO_BUILDER_IMAGE": "mine:1"}).image == "mine:1"


def test_a_large_file_is_sampled(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(fingerprint.WHOLE + 1)
    before = fingerprint.of_file(path)
    assert before.startswith("sampled:")
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert fingerprint.of_file(path) != before
