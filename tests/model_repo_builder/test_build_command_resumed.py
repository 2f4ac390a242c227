"""``build`` that was interrupted, failed, or is run again with something changed: it goes on where it must."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from model_repo_builder import lock
from tests.model_repo_builder.stand_in_build import DEADLINE, FP8, arguments, build, tools, write_model
from tests.support.processes import gone
from tests.support.stand_in_trtllm import install
from tests.support.stand_in_trtllm.checkpoints import safetensors
from tests.support.waiting import wait_for


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


STAGES = [
    pytest.param((), "convert_checkpoint", ["convert_checkpoint", "trtllm-build"], "convert", id="convert"),
    pytest.param(FP8, "quantize", ["quantize", "trtllm-build"], "quantize", id="quantize"),
    pytest.param((), "trtllm-build", ["trtllm-build"], "engine", id="engine"),
]


@pytest.mark.parametrize(("recipe", "tool", "again", "stage"), STAGES)
@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, id="sigterm"),
        pytest.param(signal.SIGKILL, -9, id="sigkill"),
    ],
)
def test_interrupted_and_resumed(
    tmp_path: Path,
    model: Path,
    recipe: tuple[str, ...],
    tool: str,
    again: list[str],
    stage: str,
    number: signal.Signals,
    code: int,
) -> None:
    stand_in = install(tmp_path / "trtllm", "0.10.0")
    stand_in.hold(tool)
    process = subprocess.Popen(
        arguments(stand_in, model, *recipe),
        env={**os.environ, **stand_in.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        wait_for(lambda: bool(stand_in.held()) or process.poll() is not None, DEADLINE, "a tool is held")
        held = stand_in.held()
        assert len(held) == 2
        process.send_signal(number)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == code
    wait_for(lambda: all(map(gone, held)), DEADLINE, "what was held is gone")
    if number != signal.SIGKILL:
        assert f"stopped in stage {stage}: the same command goes on there" in errors
    assert tools(stand_in)[-1] == tool
    assert not (tmp_path / "out" / "repository").exists()
    assert lock.read(tmp_path / "out" / "engine") is None
    stand_in.let_go(tool)
    shown = build(stand_in, model, *recipe, "--dry-run")
    assert f"{stage}: runs: it was interrupted" in shown.stdout
    assert tools(stand_in) == []
    done = build(stand_in, model, *recipe)
    assert done.returncode == 0, done.stderr
    assert tools(stand_in) == again
    assert (tmp_path / "out" / "engine" / "rank0.engine").read_bytes().startswith(b"no engine, made from")


@pytest.mark.parametrize(("recipe", "tool", "again", "stage"), STAGES)
def test_a_tool_that_fails(
    tmp_path: Path, model: Path, recipe: tuple[str, ...], tool: str, again: list[str], stage: str
) -> None:
    stand_in = install(tmp_path / "trtllm", "0.10.0")
    stand_in.fail(tool, "torch.cuda.OutOfMemoryError: CUDA out of memory")
    failed = build(stand_in, model, *recipe)
    assert failed.returncode == 1
    log = next((tmp_path / "out" / "logs").glob(f"*-{stage}.log"))
    assert f"error: stage {stage} failed with exit code 3: " in failed.stderr
    assert f"the whole log is {log}" in failed.stderr
    assert failed.stderr.rstrip().endswith("torch.cuda.OutOfMemoryError: CUDA out of memory")
    assert "TensorRT-LLM version: 0.10.0" in log.read_text()
    stand_in.calls()
    stand_in.let_go(tool)
    assert build(stand_in, model, *recipe).returncode == 0
    assert tools(stand_in) == again


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param(("--max-batch-size", "2"), ["trtllm-build"], id="engine"),
        pytest.param(("--dtype", "float16"), ["convert_checkpoint", "trtllm-build"], id="convert"),
        pytest.param(("--set", "repository.model_name=other"), [], id="repository"),
        pytest.param(("--gpu-memory-gib", "40"), [], id="estimate-only"),
        pytest.param(("--from", "engine"), ["trtllm-build"], id="from"),
    ],
)
def test_a_changed_recipe_runs_what_depends_on_it(
    tmp_path: Path, model: Path, change: tuple[str, ...], again: list[str]
) -> None:
    stand_in = install(tmp_path / "trtllm", "0.10.0")
    assert build(stand_in, model).returncode == 0
    stand_in.calls()
    done = build(stand_in, model, *change)
    assert done.returncode == 0, done.stderr
    assert tools(stand_in) == again
    if "repository.model_name=other" in change:
        assert 'name = "other"' in (tmp_path / "out" / "repository" / "gateway.toml").read_text()


def test_changed_weights_are_converted_again(tmp_path: Path, model: Path) -> None:
    stand_in = install(tmp_path / "trtllm", "0.16.0")
    assert build(stand_in, model).returncode == 0
    stand_in.calls()
    tensors = {"model.embed_tokens.weight": b"another", "lm_head.weight": b"logits"}
    (model / "model.safetensors").write_bytes(safetensors(tensors))
    assert build(stand_in, model).returncode == 0
    assert tools(stand_in) == ["from_hugging_face", "trtllm-build"]


def test_a_full_disk(tmp_path: Path, model: Path) -> None:
    """A file system of one megabyte, in a mount namespace of its own."""
    stand_in = install(tmp_path / "trtllm", "0.10.0")
    out = tmp_path / "out"
    out.mkdir()
    command = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    probe = ["unshare", "--mount", "sh", "-c", command, str(out)]
    if subprocess.run([*probe, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    big = write_model(tmp_path / "big", vocab_size=100_000)
    done = subprocess.run(
        [*probe, *arguments(stand_in, big)],
        env={**os.environ, **stand_in.environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 1
    assert f"{out} has 0.0 GB free: make " in done.stderr
    assert tools(stand_in) == []
