"""What the builder must know of a model before it is served: end tokens, vocabulary, context length.

Knows the files of a Hugging Face tokenizer folder, of a GGUF file, of an OpenVINO IR folder and of a
TensorRT-LLM engine folder. Must not import any of their libraries: it reads JSON and GGUF headers, so it
works where only the builder is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_repo_builder.errors import CheckpointError, SettingsError
from model_repo_builder.gguf import Header, read_header

CHAT_END, TEXT_END = "<|im_end|>", "<|endoftext|>"

_TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"))


@dataclass(frozen=True, slots=True)
class TokenizerFacts:
    """``end_ids`` are all ids that end an answer, the chat end first; ``size`` counts ids, added tokens included."""

    path: Path
    end_ids: tuple[int, ...]
    size: int
    max_positions: int | None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the weights say. ``None`` where the files do not say it."""

    path: Path
    max_seq_len: int | None
    vocab_size: int | None
    end_ids: tuple[int, ...] = ()
    max_batch_size: int | None = None
    max_beam_width: int | None = None
    paged_context: bool | None = None
    release: str | None = None
    dtype: str | None = None
    logits_dtype: str | None = None
    world_size: int | None = None
    paged_cache: bool | None = None
    packed_input: bool | None = None
    lora: bool | None = None


def read_tokenizer(folder: Path) -> TokenizerFacts:
    if not folder.is_dir():
        raise CheckpointError(
            f"tokenizer folder {folder} does not exist: give the folder with tokenizer.json, "
            "or with vocab.json and merges.txt"
        )
    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZER_FILES):
        raise CheckpointError(
            f"{folder} holds no tokenizer: it needs tokenizer.json, or vocab.json and merges.txt, "
            "as Qwen publishes them"
        )
    config = _optional_json(folder / "tokenizer_config.json")
    generation = _optional_json(folder / "generation_config.json")
    model = _optional_json(folder / "config.json")
    ids, base = _token_ids(folder, config)
    ends: list[int | None] = [ids.get(CHAT_END), ids.get(_content(config.get("eos_token")))]
    ends += _ints(generation.get("eos_token_id"))
    ends += _ints(model.get("eos_token_id"))
    ends.append(ids.get(TEXT_END))
    end_ids = tuple(dict.fromkeys(end for end in ends if end is not None))
    if not end_ids:
        raise CheckpointError(
            f"{folder} names no token that ends an answer: generation_config.json should have eos_token_id, "
            f"or tokenizer_config.json eos_token"
        )
    size = max(base, max(ids.values(), default=-1) + 1)
    return TokenizerFacts(folder, end_ids, size, _int(model.get("max_position_embeddings")))


def read_model(path: Path) -> ModelFacts:
    """A GGUF file, or a folder with an OpenVINO IR."""
    if path.is_file():
        return _gguf_facts(path, read_header(path))
    if path.is_dir():
        if not (path / "openvino_model.xml").is_file():
            raise CheckpointError(
                f"{path} is no OpenVINO model: the folder needs openvino_model.xml and openvino_model.bin; "
                "or give a GGUF file"
            )
        config = _optional_json(path / "config.json")
        ends = _ints(_optional_json(path / "generation_config.json").get("eos_token_id"))
        return ModelFacts(
            path,
            _int(config.get("max_position_embeddings")),
            _int(config.get("vocab_size")),
            end_ids=tuple(ends),
        )
    raise CheckpointError(f"model {path} does not exist: give a Qwen GGUF file or an OpenVINO IR folder")


def read_engine(folder: Path) -> ModelFacts:
    """A folder that trtllm-build wrote."""
    config_path = folder / "config.json"
    if not folder.is_dir() or not config_path.is_file():
        raise CheckpointError(
            f"engine folder {folder} has no config.json: give the folder that trtllm-build wrote with --output_dir"
        )
    ranks = len(list(folder.glob("rank*.engine")))
    if not ranks:
        raise CheckpointError(f"engine folder {folder} has no rank0.engine: run trtllm-build again, it did not finish")
    config = _json(config_path)
    build, model = (
        _object(config, "build_config", config_path),
        _object(config, "pretrained_config", config_path),
    )
    longest = _int(build.get("max_seq_len"))
    if longest is None:  # before release 0.11 the two halves were built separately
        halves = (_int(build.get("max_input_len")), _int(build.get("max_output_len")))
        longest = halves[0] + halves[1] if halves[0] is not None and halves[1] is not None else None
    plugins = build.get("plugin_config")
    plugins = plugins if isinstance(plugins, dict) else {}
    mapping = model.get("mapping")
    world_size = _int(mapping.get("world_size")) if isinstance(mapping, dict) else None
    if world_size is not None and world_size != ranks:
        raise CheckpointError(
            f"engine folder {folder} has {ranks} of {world_size} rank files: build it again, or copy all of them"
        )
    cache = build.get("kv_cache_type")  # from release 0.13; before, a plugin
    return ModelFacts(
        folder,
        longest,
        _int(model.get("vocab_size")),
        max_batch_size=_int(build.get("max_batch_size")),
        max_beam_width=_int(build.get("max_beam_width")),
        paged_context=_bool(plugins.get("use_paged_context_fmha")),
        release=_text(config.get("version")),
        dtype=_text(model.get("dtype")),
        logits_dtype=_text(model.get("logits_dtype")),
        world_size=world_size,
        paged_cache=cache.upper() == "PAGED" if isinstance(cache, str) else _bool(plugins.get("paged_kv_cache")),
        packed_input=_bool(plugins.get("remove_input_padding")),
        lora=bool(plugins["lora_plugin"]) if "lora_plugin" in plugins else None,
    )


def longest_sequence(model: ModelFacts, tokenizer: TokenizerFacts, asked: int | None) -> int:
    """Prompt and answer together, in tokens: what was asked for, as far as the model can hold it."""
    known = model.max_seq_len if model.max_seq_len is not None else tokenizer.max_positions
    if asked is not None and known is not None and asked > known:
        raise SettingsError(f"max_seq_len is {asked}, but {model.path} holds at most {known} tokens: lower max_seq_len")
    longest = asked if asked is not None else known
    if longest is None:
        raise SettingsError(f"{model.path} does not say how many tokens it can hold: give max_seq_len")
    return longest


def _gguf_facts(path: Path, header: Header) -> ModelFacts:
    architecture = header.text("general.architecture")
    if architecture is None:
        raise CheckpointError(f"{path} does not name its architecture (general.architecture): convert it again")
    if not architecture.startswith("qwen"):
        raise CheckpointError(f"{path} is a {architecture!r} model: only Qwen models are served")
    embedding = header.tensors.get("token_embd.weight", ())
    keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
    ends = (header.number(key) for key in keys)
    return ModelFacts(
        path,
        header.number(f"{architecture}.context_length"),
        # The rows of the embedding, which is longer than the list of tokens where the vocabulary is padded.
        embedding[-1] if len(embedding) == 2 else header.number(f"{architecture}.vocab_size"),
        end_ids=tuple(dict.fromkeys(end for end in ends if end is not None)),
    )


def _token_ids(folder: Path, config: dict[str, Any]) -> tuple[dict[str, int], int]:
    """The added tokens by their text, and how many tokens there are without them."""
    ids: dict[str, int] = {}
    base = 0
    path = folder / "tokenizer.json"
    if path.is_file():
        data = _json(path)
        vocab = data.get("model", {}).get("vocab", {}) if isinstance(data.get("model"), dict) else {}
        base = max((value for value in vocab.values() if isinstance(value, int)), default=-1) + 1 if vocab else 0
        added = data.get("added_tokens", [])
        ids.update(_contents((token.get("id"), token) for token in added if isinstance(token, dict)))
    elif (folder / "vocab.json").is_file():
        base = max((v for v in _json(folder / "vocab.json").values() if isinstance(v, int)), default=-1) + 1
    decoder = config.get("added_tokens_decoder")
    if isinstance(decoder, dict):
        ids.update(_contents(decoder.items()))
    ids.update({text: i for text, i in _optional_json(folder / "added_tokens.json").items() if isinstance(i, int)})
    return ids, base


def _contents(tokens: Iterable[tuple[Any, Any]]) -> dict[str, int]:
    return {_content(token): int(key) for key, token in tokens if _content(token) and str(key).isdecimal()}


def _content(token: Any) -> str:
    """A token is written as its text, or as an object with ``content``."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _ints(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [number for number in map(_int, values) if number is not None]


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _object(data: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} has no {key!r}: it is not the config.json that trtllm-build writes")
    return value


def _optional_json(path: Path) -> dict[str, Any]:
    return _json(path) if path.is_file() else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return data
