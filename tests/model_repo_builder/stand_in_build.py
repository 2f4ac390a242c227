"""The command ``build`` for a checkpoint of a few bytes, with the stand-in of TensorRT-LLM."""

import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from model_repo_builder.cli import main
from tests.model_repo_builder.shapes import write_tokenizer_files
from tests.support.stand_in_trtllm import StandIn
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
