"""``build`` from a checkpoint to a repository, with the stand-in of TensorRT-LLM: whole, interrupted, changed."""

import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from model_repo_builder import lock
from model_repo_builder.build import Progress
from model_repo_builder.cli import main
from model_repo_builder.commands.build import line
from model_repo_builder.machine import Gpu, Machine
from tests.model_repo_builder.shapes import write_tokenizer_files
from tests.support.processes import gone
from tests.support.stand_in_trtllm import StandIn, install
from tests.support.stand_in_trtllm.checkpoints import safetensors

CONFIG = {
    "model_type": "qwen2",
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 6,
    "max_position_embeddings": 256,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-06,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


SIZES = ("--max-input-len", "128", "--max-output-len", "64", "--max-batch-size", "4")
FP8 = ("--quantization", "fp8")
DEADLINE = 60


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def write_model(folder: Path, **changes: Any) -> Path:
    config = {**CONFIG, **changes}
    write_tokenizer_files(folder, **{"config.json": config})
    tensors = {"model.embed_tokens.weight": b"weights", "lm_head.weight": b"logits"}
    if config["tie_word_embeddings"]:
        del tensors["lm_head.weight"]
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    return folder


def arguments(stand_in: StandIn, model: Path, *more: str) -> list[str]:
    examples = ["--trtllm-examples", str(stand_in.examples)] if stand_in.release.startswith("0.10") else []
    output = model.parent / "out"
    program = [sys.executable, "-m", "model_repo_builder.cli", "build"]
    return [*program, "--model", str(model), "--output", str(output), *examples, *SIZES, *more]


def build(stand_in: StandIn, model: Path, *more: str) -> Done:
    """In this process, which is quicker; the tools are processes all the same."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        for name, value in stand_in.environment.items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(stand_in.folder / "site"))
        try:
            code = main(arguments(stand_in, model, *more)[3:])
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Done(code, out.getvalue(), errors.getvalue())


def tools(stand_in: StandIn) -> list[str]:
    return [tool for tool, _ in stand_in.calls()]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


WAYS = [
    pytest.param("0.10.0", (), ["convert_checkpoint", "trtllm-build"], id="0.10-bf16"),
    pytest.param("0.10.0", ("--tp-size", "2"), ["convert_checkpoint", "trtllm-build"], id="0.10-tp2"),
    pytest.param("0.10.0", FP8, ["quantize", "trtllm-build"], id="0.10-fp8"),
    pytest.param("0.12.0", ("--dtype", "float16"), ["from_hugging_face", "trtllm-build"], id="0.12-fp16"),
    pytest.param("0.16.0", ("--tp-size", "2"), ["from_hugging_face"] * 2 + ["trtllm-build"], id="0.16-tp2"),
    pytest.param("0.16.0", FP8, ["quantize_and_export", "trtllm-build"], id="0.16-fp8"),
    pytest.param(
        "0.16.0", ("--quantization", "smoothquant"), ["QWenForCausalLM.quantize", "trtllm-build"], id="0.16-smoothquant"
    ),
    pytest.param("1.1.0", ("--quantization", "int8_weight_only"), ["from_hugging_face", "trtllm-build"], id="1.1-int8"),
]


@pytest.mark.parametrize(("release", "recipe", "called"), WAYS)
def test_from_a_checkpoint_to_a_repository(
    tmp_path: Path, model: Path, release: str, recipe: tuple[str, ...], called: list[str]
) -> None:
    ranks = 2 if "--tp-size" in recipe else 1
    stand_in = install(tmp_path / "trtllm", release, gpus=ranks)
    done = build(stand_in, model, *recipe)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert f"next `model-repo-builder launch {out / 'repository'}`" in done.stdout
    assert tools(stand_in) == called
    engine = json.loads((out / "engine" / "config.json").read_text())
    assert engine["version"] == release
    assert engine["build_config"]["max_batch_size"] == 4
    pretrained = engine["pretrained_config"]
    assert pretrained["mapping"]["world_size"] == ranks
    assert pretrained["dtype"] == ("float16" if "float16" in recipe else "bfloat16")
    assert pretrained["rotary_base"] == 1000000.0  # also after the quantization of 0.10, which forgets it
    assert pretrained["quantization"]["kv_cache_quant_algo"] == ("FP8" if recipe == FP8 else None)
    repository = (out / "repository" / "tensorrt_llm" / "config.pbtxt").read_text()
    assert str(out / "engine") in repository
    assert "finished" in done.stderr
    locked = lock.read(out / "repository")
    assert locked is not None
    assert locked == lock.read(out / "engine")
    assert locked.release == release
    assert sorted(locked.engine) == ["config.json", *(f"rank{rank}.engine" for rank in range(ranks))]
    assert any("trtllm-build --checkpoint_dir" in command for command in locked.commands)
    h100 = Gpu("NVIDIA H100 80GB HBM3", "9.0", 81559)
    assert locked.gpus == (h100,) * ranks
    assert lock.mismatch(out / "repository", Machine(release, None, (h100,) * ranks)) is None
    wrong = lock.mismatch(out / "repository", Machine("0.9.0", None, (h100,) * ranks))
    assert wrong is not None
    assert wrong.startswith(f"the engine was built for TensorRT-LLM {release} and 0.9.0 is installed here")
    again = build(stand_in, model, *recipe)
    assert again.returncode == 0
    assert "nothing to do: every stage is finished" in again.stderr
    assert tools(stand_in) == []


def test_tied_embeddings_get_a_table_for_0_10(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", tie_word_embeddings=True)
    stand_in = install(tmp_path / "trtllm", "0.10.0")
    done = build(stand_in, model)
    assert done.returncode == 0, done.stderr
    assert "[1/4] untie" in done.stderr


def test_own_calibration_texts(tmp_path: Path, model: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": f"Text {number} of many."}) + "\n" for number in range(8)))
    for release in ("0.10.0", "0.16.0"):
        stand_in = install(tmp_path / release, release)
        done = build(
            stand_in,
            model,
            *FP8,
            "--calibration",
            str(texts),
            "--calib-size",
            "8",
            "--output",
            str(tmp_path / f"out-{release}"),
        )
        assert done.returncode == 0, done.stderr
        assert "calibration" in done.stderr


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
        until(lambda: bool(stand_in.held()) or process.poll() is not None)
        held = stand_in.held()
        assert len(held) == 2
        process.send_signal(number)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == code
    until(lambda: all(map(gone, held)))
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


REFUSED = [
    pytest.param(
        "0.12.0", ("--trtllm-version", "0.10.0"), {}, 1, "the build is for TensorRT-LLM 0.10.0 and 0.12.0", id="release"
    ),
    pytest.param("0.10.0", ("--tp-size", "3"), {}, 2, "tp_size 3 does not divide the 4 attention heads", id="tp"),
    pytest.param("0.10.0", (), {"model_type": "llama"}, 2, "is a 'llama' model: give a Qwen", id="llama"),
    pytest.param(
        "0.10.0", (), {"model_type": "qwen3"}, 2, "TensorRT-LLM 0.10.0 does not take qwen3 models", id="family"
    ),
    pytest.param(
        "0.10.0", ("--set", "max_batchsize=3"), {}, 2, "there is no key 'max_batchsize' in a recipe", id="key"
    ),
    pytest.param("0.10.0", ("--recipe", "none.toml"), {}, 2, "there is no recipe 'none.toml'", id="recipe"),
]


@pytest.mark.parametrize(("release", "recipe", "changes", "code", "sentence"), REFUSED)
def test_refused_before_anything_runs(
    tmp_path: Path, release: str, recipe: tuple[str, ...], changes: dict[str, Any], code: int, sentence: str
) -> None:
    stand_in = install(tmp_path / "trtllm", release)
    done = build(stand_in, write_model(tmp_path / "model", **changes), *recipe)
    assert done.returncode == code
    assert sentence in done.stderr
    assert tools(stand_in) == []
    assert not (tmp_path / "out").exists()


def test_a_missing_shard(tmp_path: Path, model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    done = build(install(tmp_path / "trtllm", "0.10.0"), model)
    assert done.returncode == 2
    assert "misses 1 of 2 shards (model-00002-of-00002.safetensors)" in done.stderr


def test_an_engine_of_somebody_else_is_left_untouched(tmp_path: Path, model: Path) -> None:
    stand_in = install(tmp_path / "trtllm", "0.10.0")
    (tmp_path / "out" / "engine").mkdir(parents=True)
    (tmp_path / "out" / "engine" / "rank0.engine").write_text("mine")
    done = build(stand_in, model)
    assert done.returncode == 1
    assert "engine is not empty and no build of this recipe wrote it" in done.stderr
    assert tools(stand_in) == []
    assert (tmp_path / "out" / "engine" / "rank0.engine").read_text() == "mine"


def test_a_checkpoint_that_is_not_here(tmp_path: Path) -> None:
    done = build(install(tmp_path / "trtllm", "0.10.0"), tmp_path / "Qwen2-7B")
    assert done.returncode == 2
    assert "Qwen2-7B is no folder here: download it, and give its folder with --model" in done.stderr


def test_launch_refuses_a_changed_engine(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(install(tmp_path / "trtllm", "0.10.0"), model).returncode == 0
    engine = tmp_path / "out" / "engine" / "rank0.engine"
    engine.write_bytes(engine.read_bytes() + b"!")
    assert main(["launch", str(tmp_path / "out" / "repository")]) == 2
    assert f"{engine} is not the file that was built: build again with" in capsys.readouterr().err


def test_a_build_brought_from_another_gpu(tmp_path: Path, model: Path) -> None:
    assert build(install(tmp_path / "h100", "0.10.0"), model).returncode == 0
    a100 = install(tmp_path / "a100", "0.10.0", gpu="NVIDIA A100-SXM4-80GB, 8.0, 81920")
    examples = ("--trtllm-examples", str(tmp_path / "h100" / "examples"))
    refused = build(a100, model, *examples)
    assert refused.returncode == 1
    assert "the engine was built on NVIDIA H100 80GB HBM3 (compute capability 9.0) and" in refused.stderr
    done = build(a100, model, *examples, "--from", "engine")
    assert done.returncode == 0, done.stderr
    assert tools(a100) == ["trtllm-build"]
    locked = lock.read(tmp_path / "out" / "repository")
    assert locked is not None
    assert [gpu.name for gpu in locked.gpus] == ["NVIDIA A100-SXM4-80GB"]


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        pytest.param(
            Progress("engine", 2, 3, 75.2, 28_400_000_000, "[TRT] Building engine"),
            "[2/3] engine  1:15  28.4 GB written  [TRT] Building engine",
            id="running",
        ),
        pytest.param(Progress("convert", 1, 3, 3725.0, 0, ""), "[1/3] convert  1:02:05  0 B written", id="hours"),
        pytest.param(
            Progress("convert", 1, 3, 9.9, 12_300, "last", ended=True),
            "[1/3] convert  0:09  12.3 kB written  finished",
            id="ended",
        ),
    ],
)
def test_progress_as_a_line(progress: Progress, text: str) -> None:
    assert line(progress) == text
