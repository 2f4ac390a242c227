"""What is read of a checkpoint's files, beside what transformers reads of the same ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from gateway.core.errors import SettingsError
from gateway.tokenizer import HuggingFaceTokenizer
from gateway.tokenizer_files import read
from tests.gateway.qwen_templates import QWEN, SEEDLING
from tests.support.tokenizer import TokenizerFolder, write_tokenizer

FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
NEW = {"content": "<new>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False, "special": True}
WORD = {"content": "dog", "lstrip": False, "rstrip": False, "single_word": True, "normalized": False, "special": False}
# Changes of tokenizer_config.json: None takes a key away. Keys that end in .json are files beside it.
CONFIGS: dict[str, Mapping[str, Any]] = {
    "as-it-is": {},
    "another-class": FAST,
    "no-class": {"tokenizer_class": None},
    "a-token-that-tokenizer.json-lacks": {"added": {"9999": NEW}},
    "two-of-them": {**FAST, "added": {"9999": NEW, "9998": WORD}},
    "a-token-described-otherwise": {**FAST, "added": {"741": {**NEW, "content": "<think>", "special": False}}},
    "a-special-token-that-nobody-has": {"extra_special_tokens": ["<extra>"]},
    "the-older-name-of-extra": {**FAST, "additional_special_tokens": ["<extra>"], "extra_special_tokens": []},
    "extra-by-name": {**FAST, "extra_special_tokens": {"image_token": "<image>"}, "additional_special_tokens": None},
    "a-token-of-the-model's-own": {**FAST, "image_token": "<image>"},
    "qwen-says-nothing-of-its-end": {"eos_token": None, "pad_token": None, "unk_token": None},
    "nothing-is-known-of-its-end": {**FAST, "eos_token": None, "pad_token": None},
    "an-end-that-is-null": {"eos_token": "null"},
    "a-begin": {**FAST, "bos_token": "<s>"},
    "a-token-as-an-object": {**FAST, "eos_token": {"__type": "AddedToken", **NEW}},
    "special-tokens-split": {**FAST, "split_special_tokens": True},
    "from-before-added_tokens_decoder": {
        **FAST,
        "added_tokens_decoder": None,
        "eos_token": None,
        "special_tokens_map.json": {"eos_token": "<end>", "pad_token": {**NEW, "content": "<pad>"}},
        "added_tokens.json": {"<late>": 5001, "<early>": 5000, "<|im_end|>": 740},
    },
    "special_tokens_map.json-beside-it": {**FAST, "special_tokens_map.json": {"eos_token": "<end>"}},
}
TEXTS = [
    "hello world",
    "如何保持正能量?😀",
    "<|im_start|>user\nx<|im_end|>",
    "a   <new>  b<extra><image>",
    "a  <think>  b",
    "dog dogs hotdog.",
    "<think>\n2+2</think> <s><end><pad><early><late>",
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def changed(folder: Path, to: Path, changes: Mapping[str, Any]) -> Path:
    """The folder with other settings."""
    shutil.copytree(folder, to, dirs_exist_ok=True)
    path = to / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    for name, value in changes.items():
        if name == "added":
            config["added_tokens_decoder"] |= value
        elif name.endswith(".json"):
            (to / name).write_text(json.dumps(value))
        elif value is None:
            config.pop(name, None)
        else:
            config[name] = None if value == "null" else value
    path.write_text(json.dumps(config))
    return to


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_settings_mean_what_they_mean_to_transformers(
    small: TokenizerFolder, tmp_path: Path, changes: Mapping[str, Any]
) -> None:
    folder = changed(small.path, tmp_path, changes)
    found, reference = read(str(folder)), AutoTokenizer.from_pretrained(str(folder))
    assert dict(found.special) == reference.special_tokens_map
    ours, theirs = found.tokenizer.get_added_tokens_decoder(), reference.added_tokens_decoder
    assert {id: token.content for id, token in ours.items()} == {id: token.content for id, token in theirs.items()}
    special = {id for id, token in theirs.items() if token.special}
    assert special == {id for id, token in ours.items() if token.special}
    for text in TEXTS:
        assert found.tokenizer.encode(text, add_special_tokens=False).ids == reference.encode(
            text, add_special_tokens=False
        ), text


def one(text: str) -> Callable[[Path], None]:
    return lambda folder: set_config(folder, text)


def set_config(folder: Path, template: object) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "chat_template": template}))


def files(**templates: str) -> Callable[[Path], None]:
    """``default`` is chat_template.jinja; the others stand in the folder for them."""

    def write(folder: Path) -> None:
        for name, text in templates.items():
            path = folder / ("chat_template.jinja" if name == "default" else f"additional_chat_templates/{name}.jinja")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return write


NAMED = [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}, {"name": "rag", "template": "R"}]
TEMPLATES: dict[str, tuple[Callable[[Path], None], ...]] = {
    "in-the-config": (one("C"),),
    "several-in-the-config": (lambda folder: set_config(folder, NAMED),),
    "several-by-name": (lambda folder: set_config(folder, {"default": "D", "tool_use": "T"}),),
    "a-file-before-the-config": (one("C"), files(default="F\n")),
    "a-file-and-more": (one("C"), files(default="F", tool_use="U")),
    "a-file-before-several": (lambda folder: set_config(folder, NAMED), files(default="F")),
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize("steps", TEMPLATES.values(), ids=TEMPLATES)
def test_templates_are_found_where_transformers_finds_them(
    small: TokenizerFolder, tmp_path: Path, steps: tuple[Callable[[Path], None], ...]
) -> None:
    shutil.copytree(small.path, tmp_path, dirs_exist_ok=True)
    for step in steps:
        step(tmp_path)
    tokenizer, reference = HuggingFaceTokenizer.load(str(tmp_path)), AutoTokenizer.from_pretrained(str(tmp_path))
    from gateway.core.types import ChatInput

    for tools in ((), (TOOL,)):
        message = {"role": "user", "content": "x"}
        wanted = reference.apply_chat_template([message], tools=list(tools) or None, tokenize=False)
        assert tokenizer.chat(ChatInput((message,), tools, generation_prompt=False)).text == wanted


def test_the_template_of_a_processor_is_better_than_none(small: TokenizerFolder, tmp_path: Path) -> None:
    folder = changed(small.path, tmp_path, {"chat_template": None, "chat_template.json": {"chat_template": "P"}})
    assert dict(read(str(folder)).templates) == {"default": "P"}


def test_several_templates_without_a_default(small: TokenizerFolder, tmp_path: Path) -> None:
    folder = changed(small.path, tmp_path, {"chat_template": [{"name": "rag", "template": "R"}]})
    with pytest.raises(SettingsError, match="none of them is called 'default'"):
        HuggingFaceTokenizer.load(str(folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"added_tokens_decoder": {"a": NEW}},
        {"added_tokens_decoder": {"1": "<x>"}},
        {"added_tokens_decoder": 1},
        {"extra_special_tokens": [1]},
        {"chat_template": [{"name": "default"}]},
        {"chat_template.json": [], "chat_template": None},
    ],
    ids=["id", "token", "tokens", "extra", "template", "list"],
)
def test_files_that_make_no_sense(small: TokenizerFolder, tmp_path: Path, changes: Mapping[str, Any]) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read(str(changed(small.path, tmp_path, changes)))


def test_a_model_id_without_a_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SettingsError, match="no-one/nothing cannot be read"):
        read("no-one/nothing")


@pytest.mark.skipif(not QWEN.is_dir(), reason="Qwen's tokenizer data is not beside the project (../shared/qwen)")
def test_a_model_id_that_was_downloaded_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--some--model" / "snapshots" / "0"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0")
    for file in SEEDLING.glob("tokenizer*.json"):
        shutil.copy(file, snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert read("some/model").tokenizer.get_vocab_size() == read(str(SEEDLING)).tokenizer.get_vocab_size()
