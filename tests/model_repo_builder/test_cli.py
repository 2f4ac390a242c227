import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.cli import main
from tests.model_repo_builder.doctor.repositories import official_templates
from tests.model_repo_builder.shapes import gguf_bytes, write_tokenizer_files

# What takes seconds to import, or is not there on the machine where somebody looks first.
HEAVY = ("tensorrt_llm", "torch", "transformers", "gateway")


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "model.gguf").write_bytes(gguf_bytes())
    tokenizer = write_tokenizer_files(tmp_path / "tokenizer")
    return {"--engine": "openvino", "--model": str(tmp_path / "model.gguf"), "--tokenizer": str(tokenizer)}


def run(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:  # argparse ends by itself
        return int(stop.code or 0)


def flat(given: dict[str, str]) -> list[str]:
    return [word for pair in given.items() for word in pair]


def test_repo_writes_and_says_what_comes_next(given: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    output = tmp_path / "out"
    assert run(["repo", str(output), *flat(given), "--max-seq-len", "100", "--accumulate-tokens", "true"]) == 0
    assert "max_model_len = 100" in (output / "gateway.toml").read_text()
    assert 'string_value: "true"' in (output / "tensorrt_llm_bls" / "config.pbtxt").read_text()
    assert f"model-repo-builder launch {output}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--tokenizer": "/no/such/folder"}, "tokenizer folder /no/such/folder does not exist"),
        ({"--model": "/no/such.gguf"}, "model /no/such.gguf does not exist"),
        ({"--engine": "cuda"}, "invalid choice: 'cuda'"),
        ({"--engine": "trtllm"}, "needs engine_dir"),
        ({"--engine": "trtllm", "--engine-dir": "/no/engine"}, "has no config.json"),
        ({"--contract": "v9"}, "no contract 'v9'"),
        ({"--batch-scheduler-policy": "guaranteed_completion"}, "invalid choice"),
        ({"--triton-max-batch-size": "0"}, "at least 1"),
        ({"--triton-max-batch-size": "many"}, "invalid int value: 'many'"),
        ({"--kv-cache-free-gpu-mem-fraction": "nan"}, "between 0 and 1"),
        ({"--accumulate-tokens": "maybe"}, "neither true nor false"),
        ({"--max-seq-len": "100000"}, "holds at most 512"),
        ({"--postprocessing-instance-count": "3"}, "out of order"),
        ({"--nonsense": "1"}, "unrecognized arguments"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    given: dict[str, str], tmp_path: Path, capsys: Any, changes: dict[str, str], words: str
) -> None:
    output = tmp_path / "out"
    assert run(["repo", str(output), *flat({**given, **changes})]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.gguf", "tokenizer"]


def test_a_folder_with_files_is_refused(given: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "mine").touch()
    assert run(["repo", str(output), *flat(given)]) == 2
    assert "left untouched" in capsys.readouterr().err
    assert [path.name for path in output.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["/no/such/folder"], 1, "does not exist: build it with"),
        ([".", "--grpc-port", "70000"], 2, "no port"),
        ([".", "--grpc-port", "8000"], 2, "three different ones"),
        ([".", "--timeout", "-1"], 2, "no number of seconds"),
    ],
)
def test_launch_refuses(arguments: list[str], code: int, words: str, capsys: Any) -> None:
    assert run(["launch", *arguments]) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["repo", "launch"])
def test_help_teaches_by_example(command: str, capsys: Any) -> None:
    assert run([command, "--help"]) == 0
    assert f"model-repo-builder {command} repository" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["plan", "doctor"])
def test_a_first_look_imports_nothing_heavy(command: str, tmp_path: Path) -> None:
    if command == "plan":
        words = ["plan", "--recipe", "qwen1.5-14b-chat-fp8"]
    else:
        words = ["doctor", str(official_templates(tmp_path / "templates"))]
    code = (
        f"import sys; from model_repo_builder.cli import main; main({words}); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stderr.splitlines()[-1], bool(done.stdout)) == ("[]", True)
