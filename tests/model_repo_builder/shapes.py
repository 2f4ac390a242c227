"""Small files that stand for checkpoints: just enough of each for the builder to read."""

import json
import struct
from pathlib import Path
from typing import Any

from model_repo_builder.settings import RepoSettings


def write_tokenizer_files(folder: Path, **changes: Any) -> Path:
    """A tokenizer folder of three words and Qwen's control tokens; a file changed to None is left out."""
    files: dict[str, Any] = {
        "tokenizer.json": {
            "model": {"vocab": {"a": 0, "b": 1, "c": 2}},
            "added_tokens": [
                {"id": 3, "content": "<|endoftext|>"},
                {"id": 4, "content": "<|im_start|>"},
                {"id": 5, "content": "<|im_end|>"},
            ],
        },
        "tokenizer_config.json": {"eos_token": "<|im_end|>"},
        "generation_config.json": {"eos_token_id": [5, 3]},
        "config.json": {"max_position_embeddings": 256},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in {**files, **changes}.items():
        if data is not None:
            (folder / name).write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return folder


def gguf_text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_entry(key: str, kind: int, payload: bytes) -> bytes:
    return gguf_text(key) + struct.pack("<I", kind) + payload


def gguf_bytes(architecture: str = "qwen2", context: int = 512, vocab: int = 8, words: int = 70) -> bytes:
    """A GGUF header: five entries, one tensor, no data."""
    tokens = struct.pack("<IQ", 8, words) + b"".join(gguf_text(f"t{i}") for i in range(words))
    entries = [
        gguf_entry("general.architecture", 8, gguf_text(architecture)),
        gguf_entry(f"{architecture}.context_length", 4, struct.pack("<I", context)),
        gguf_entry("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", 5)),
        gguf_entry("tokenizer.ggml.tokens", 9, tokens),
        gguf_entry("some.flags", 9, struct.pack("<IQ3?", 7, 3, True, False, True)),
    ]
    tensor = gguf_text("token_embd.weight") + struct.pack("<IQQIQ", 2, 64, vocab, 0, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries)) + b"".join(entries) + tensor


def openvino_settings(folder: Path, **changes: Any) -> RepoSettings:
    """Settings that point at a tokenizer and a GGUF in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.gguf"
    model.write_bytes(gguf_bytes())
    given = {
        "engine": "openvino",
        "tokenizer_dir": write_tokenizer_files(folder / "tokenizer"),
        "model_path": model,
        **changes,
    }
    return RepoSettings(**given)


def write_engine(
    folder: Path,
    *,
    version: str | None = "0.10.0",
    ranks: int = 1,
    pretrained: dict[str, Any] | None = None,
    **build: Any,
) -> Path:
    """What trtllm-build leaves behind, without the engine itself."""
    folder.mkdir(parents=True)
    for rank in range(ranks):
        (folder / f"rank{rank}.engine").touch()
    config = {
        "version": version,
        "pretrained_config": {"vocab_size": 152064, **(pretrained or {})},
        "build_config": {
            "max_input_len": 1024,
            "max_output_len": 512,
            "max_batch_size": 16,
            "max_beam_width": 1,
            "plugin_config": {"use_paged_context_fmha": False},
            **build,
        },
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
