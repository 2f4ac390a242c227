"""The CPU engine itself, with a tiny Qwen of random weights and with Seedling: each is made once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_repo_builder.triton_models.openvino.settings import read_settings
from tests.conftest import SEEDLING
from tests.engine.speaker import Asking, Speaker
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import require


@pytest.fixture(scope="package")
def tiny(tiny_qwen_gguf: Path, tokenizer: TokenizerFolder) -> Iterator[Speaker]:
    require("openvino_genai")
    ends = ",".join(map(str, tokenizer.eos_token_ids))
    settings = {"model_path": str(tiny_qwen_gguf), "max_seq_len": "2048", "vocab_size": str(tokenizer.vocab_size)}
    settings["guided_decoding_compile_ms"] = "1000"
    asking = Asking(read_settings({**settings, "eos_token_ids": ends}))
    yield Speaker(asking, tokenizer.load(), tokenizer.end_id)
    asking.engine.close()


@pytest.fixture(scope="package")
def seedling() -> Iterator[Speaker]:
    require("openvino_genai")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(SEEDLING / "tokenizer.json"))
    end_id = tokenizer.token_to_id("<|im_end|>")
    config = json.loads((SEEDLING / "config.json").read_text("utf-8"))
    settings = {"model_path": str(SEEDLING / "seedling-q8_0.gguf"), "max_seq_len": "1024"}
    settings |= {"vocab_size": str(config["vocab_size"]), "eos_token_ids": str(end_id)}
    asking = Asking(read_settings(settings))
    yield Speaker(asking, tokenizer, end_id)
    asking.engine.close()
