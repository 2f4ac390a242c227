"""Checks of the tokenizer and of what becomes of text: end ids, special tokens, the prompt in the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_repo_builder.checkpoint import CHAT_END, TokenizerFacts, read_tokenizer
from model_repo_builder.doctor.finding import Finding, error, note, warning
from model_repo_builder.doctor.subject import BLS, ENGINE, POSTPROCESSING, PREPROCESSING, Subject
from model_repo_builder.errors import CheckpointError

_USERS = (PREPROCESSING, POSTPROCESSING, BLS)


def folders(subject: Subject) -> Iterator[Finding]:
    for name in _USERS:
        path = _folder(subject, name)
        if path is None:
            continue
        if not path.is_absolute() and not path.exists():
            yield warning(
                "tokenizer-name",
                name,
                f"tokenizer_dir is {str(path)!r}, which is no folder here",
                "it is then a name on the model hub: the server needs the network each time it starts, and may get "
                "another tokenizer than the engine's",
                "download the tokenizer, and give the absolute path of its folder",
            )
            continue
        try:
            read_tokenizer(path)
        except CheckpointError as failure:
            yield error(
                "tokenizer",
                name,
                str(failure),
                f"{name} loads the tokenizer at start, and fails without one",
                "correct tokenizer_dir: the path must be the one that tritonserver's container sees",
            )
            continue
        if not _is_qwen(path):
            yield warning(
                "tokenizer-qwen",
                name,
                f"{path} does not look like a tokenizer of Qwen: it has no {CHAT_END}",
                "with the tokenizer of another model every prompt means something else to the engine",
                "give the tokenizer folder of the checkpoint that the engine was built from",
            )


def same_folder(subject: Subject) -> Iterator[Finding]:
    paths = {name: path for name in _USERS if (path := _folder(subject, name)) is not None}
    if len({path.resolve() for path in paths.values()}) > 1:
        shown = ", ".join(f"{path} in {name}" for name, path in paths.items())
        yield warning(
            "tokenizer-differs",
            PREPROCESSING,
            f"the models name different tokenizers: {shown}",
            "text that one model encodes is decoded with another vocabulary",
            "set tokenizer_dir to the same folder everywhere",
        )


def special_tokens(subject: Subject) -> Iterator[Finding]:
    config = subject.model(PREPROCESSING)
    if config is None or config.error is not None:
        return
    if config.on("add_special_tokens"):
        yield warning(
            "add-special-tokens",
            PREPROCESSING,
            "add_special_tokens is true",
            "a chat prompt has its special tokens already: a tokenizer that adds its own puts them there twice",
            "set add_special_tokens to false",
        )
    elif config.parameter("add_special_tokens") is None:
        yield warning(
            "add-special-tokens",
            PREPROCESSING,
            "add_special_tokens is not given",
            "the default is false in release 0.10 and true since 0.11: the same request gets another prompt",
            "set add_special_tokens to false: a chat prompt has its special tokens already",
        )


def prompt_in_answer(subject: Subject) -> Iterator[Finding]:
    config = subject.model(ENGINE)
    if config is not None and config.backend == "tensorrtllm" and not config.on("exclude_input_in_output"):
        yield warning(
            "exclude-input",
            ENGINE,
            "exclude_input_in_output is not true",
            "an answer that is not streamed begins with the whole prompt",
            "set exclude_input_in_output to true",
        )


def end_ids(subject: Subject) -> Iterator[Finding]:
    for name, facts in _readable(subject):
        if name != PREPROCESSING:
            continue
        for model in subject.gateway:
            given = model.get("eos_token_ids")
            missing = [i for i in facts.end_ids if isinstance(given, list) and i not in given]
            if missing:
                yield warning(
                    "end-ids",
                    "gateway.toml",
                    f"eos_token_ids lacks {', '.join(map(str, missing))}, which the tokenizer's folder names as end",
                    "an answer that ends with it runs on until max_tokens",
                    f"set eos_token_ids to {list(facts.end_ids)}",
                )
        if len(facts.end_ids) > 1 and not subject.gateway:
            others = ", ".join(map(str, facts.end_ids[1:]))
            yield note(
                "end-ids",
                PREPROCESSING,
                f"this tokenizer has {len(facts.end_ids)} end tokens: {', '.join(map(str, facts.end_ids))}",
                "a request has one end_id, by default the tokenizer's eos_token; an answer that ends with the other "
                "runs on until max_tokens",
                f"let clients send end_id {facts.end_ids[0]} and stop at {others} as well; the gateway does so",
            )


def _folder(subject: Subject, name: str) -> Path | None:
    config = subject.model(name)
    return None if config is None else subject.local(config.parameter("tokenizer_dir"))


def _readable(subject: Subject) -> Iterator[tuple[str, TokenizerFacts]]:
    for name in _USERS:
        path = _folder(subject, name)
        if path is None:
            continue
        try:
            yield name, read_tokenizer(path)
        except CheckpointError:
            continue  # ``folders`` says so


def _is_qwen(folder: Path) -> bool:
    """Qwen1 has its chat tokens in code, not in files; its configuration says who it is."""
    if str(_json(folder / "config.json").get("model_type", "")).startswith("qwen"):
        return True
    if str(_json(folder / "tokenizer_config.json").get("tokenizer_class", "")).lower().startswith("qwen"):
        return True
    return any(CHAT_END in text for text in _texts(folder))


def _texts(folder: Path) -> Iterator[str]:
    for name in ("tokenizer_config.json", "added_tokens.json", "tokenizer.json"):
        if (folder / name).is_file():
            yield (folder / name).read_text("utf-8", errors="replace")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


CHECKS = (folders, same_folder, special_tokens, prompt_in_answer, end_ids)
