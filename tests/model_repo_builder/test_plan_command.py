"""``model-repo-builder plan`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from model_repo_builder.cli import main
from tests.model_repo_builder.test_qwen import checkpoint


def test_the_reference_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--recipe", "qwen1.5-14b-chat-bf16"]) == 0
    out = capsys.readouterr().out
    assert "# TensorRT-LLM 0.10.0" in out
    for text in ("examples/qwen/convert_checkpoint.py", "--dtype bfloat16", "trtllm-build", "--gemm_plugin bfloat16"):
        assert text in out
    assert "model-repo-builder repo build/qwen1.5-14b-chat-bf16/repository" in out
    assert "26.4 GiB" in out  # 14.17 billion parameters of two bytes
    assert "800.0 KiB" in out  # 2 * 40 layers * 40 heads * 128 * 2 bytes


def test_fp8(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--recipe", "qwen1.5-14b-chat-fp8"]) == 0
    out = capsys.readouterr().out
    for text in (
        "--qformat fp8",
        "--kv_cache_dtype fp8",
        "--gemm_plugin disable",
        "--use_fp8_context_fmha enable",
        "rotary_base = 1000000.0",
    ):
        assert text in out


def test_the_modern_equivalent_says_that_it_is_inferred(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--recipe", "qwen1.5-14b-chat-bf16-tp2", "--trtllm-version", "1.1"]) == 0
    out = capsys.readouterr().out
    assert "--max_seq_len 8192" in out
    assert "--max_output_len" not in out
    assert "flags inferred" in out


def test_what_is_printed_can_be_pasted_into_a_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint(tmp_path / "a model")
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "--model-dir", str(folder), "--trtllm-version", "0.10.0"]) == 0
    script = capsys.readouterr().out.replace("python3 ", "echo ").replace("trtllm-build", "echo built")
    script = script.replace("model-repo-builder", "echo")
    done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, check=True)
    assert "built --checkpoint_dir build/checkpoint --output_dir build/engine" in done.stdout
    assert len(done.stdout.splitlines()) == 4  # untie, convert, build, repository


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--recipe", "qwen1.5-14b-chat-fp8", "--set", "tp_size=2", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in made["stages"]] == ["quantize", "engine", "repository"]
    assert made["release"] == "0.10.0"
    assert made["estimate"]["fits"] is True
    assert made["stages"][0]["fixes"][0]["values"]["rotary_base"] == 1_000_000.0


def test_flags_win_over_set_and_set_over_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    base = ["plan", "--recipe", "qwen1.5-14b-chat-bf16", "--json"]
    for more, expected in (
        ([], "16"),
        (["--set", "max_batch_size=7"], "7"),
        (["--set", "max_batch_size=7", "--max-batch-size", "9"], "9"),
    ):
        assert main([*base, *more]) == 0
        argv = json.loads(capsys.readouterr().out)["stages"][-2]["commands"][0]["argv"]
        assert argv[argv.index("--max_batch_size") + 1] == expected


def test_a_checkpoint_that_is_here_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkpoint(tmp_path / "Qwen1.5-14B-Chat", num_hidden_layers=6)
    assert main(["plan", "--model-dir", str(folder), "--trtllm-version", "0.16", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["estimate"]["cache_per_token"] == 2 * 6 * 2 * 16 * 2
    assert not made["notes"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--recipe", "nope"], "there is no recipe"),
        (["--model", "Qwen3-8B"], "give --trtllm-version"),
        (["--model", "Mistral-7B", "--trtllm-version", "1.1"], "neither a folder nor a published Qwen"),
        (["--model", "Qwen3-8B", "--trtllm-version", "0.19"], "use 1.0 or later"),
        (["--recipe", "qwen1.5-14b-chat-bf16", "--tp-size", "3"], "does not divide"),
        (["--recipe", "qwen1.5-14b-chat-bf16", "--set", "nope=3"], "no key 'nope'"),
        (["--recipe", "qwen1.5-14b-chat-bf16", "--trtllm-examples", "/gone"], "the examples folder of TensorRT-LLM"),
    ],
    ids=str,
)
def test_errors_are_a_sentence(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert says in captured.err
    assert not captured.out
