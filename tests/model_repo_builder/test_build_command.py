"""``build`` from a checkpoint to a repository, with the stand-in of TensorRT-LLM: whole, refused, launched."""

import json
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder import lock
from model_repo_builder.build import Progress
from model_repo_builder.cli import main
from model_repo_builder.commands.build import line
from model_repo_builder.machine import Gpu, Machine
from tests.model_repo_builder.stand_in_build import FP8, build, tools, write_model
from tests.support.stand_in_trtllm import install


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


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
