"""The tokenizer on real files: the tests' own small one, and Qwen's where it lies beside the project."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models
from transformers import AutoTokenizer

from gateway.core.detokenize import Detokenizer
from gateway.core.errors import RequestError, SettingsError
from gateway.core.types import ChatInput
from gateway.tokenizer import LONG, HuggingFaceTokenizer
from tests.support.tokenizer import TokenizerFolder, write_tokenizer

QWEN = Path(__file__).parents[3] / "shared" / "qwen" / "tokenizer"
TEXTS = [
    "hello world",
    "如何保持正能量?😀",
    "聪明的👨‍👩‍👧",
    "<|im_start|>user\nx<|im_end|>",
    "<think>\n2+2</think>",
    "\r\n\t  ",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def tokenizer(folder: TokenizerFolder) -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer.load(str(folder.path))


@pytest.mark.parametrize("text", TEXTS)
def test_ids_and_text_are_those_of_transformers(
    tokenizer: HuggingFaceTokenizer, folder: TokenizerFolder, text: str
) -> None:
    reference: Any = AutoTokenizer.from_pretrained(str(folder.path))
    ids = tokenizer.encode(text)
    assert ids == reference.encode(text, add_special_tokens=False)
    detokenizer = Detokenizer(tokenizer.table)
    shown = "".join(detokenizer.push([id]) for id in ids) + detokenizer.flush()
    assert shown == reference.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("text", TEXTS)
def test_long_texts_are_encoded_like_short_ones(
    tokenizer: HuggingFaceTokenizer, folder: TokenizerFolder, text: str
) -> None:
    reference: Any = AutoTokenizer.from_pretrained(str(folder.path))
    for long in (text * LONG, (text * LONG)[:LONG], (text * LONG)[: LONG - 1]):
        assert tokenizer.encode(long) == reference.encode(long, add_special_tokens=False)


def test_other_threads_go_on_while_a_long_text_is_encoded(tokenizer: HuggingFaceTokenizer) -> None:
    """The longest time that this thread had to wait is not that of the work."""
    took: list[float] = []

    def work() -> None:
        began = time.perf_counter()
        tokenizer.encode("".join(f"{n} of all the words. " for n in range(20_000)))
        took.append(time.perf_counter() - began)

    thread = threading.Thread(target=work)
    longest, last = 0.0, time.perf_counter()
    thread.start()
    while not took:
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    thread.join()
    assert longest < took[0] / 2


def test_control_tokens_are_no_text_and_tags_are(tokenizer: HuggingFaceTokenizer) -> None:
    (end,) = tokenizer.encode("<|im_end|>")
    (think,) = tokenizer.encode("<think>")
    assert (tokenizer.table[end], tokenizer.table[think]) == (b"", b"<think>")
    assert tokenizer.token(end) == "<|im_end|>"
    assert tokenizer.end_ids[0] == end


def test_the_template_ends_with_the_generation_prompt(tokenizer: HuggingFaceTokenizer) -> None:
    messages = ({"role": "system", "content": "be brief"}, {"role": "user", "content": "你好"})
    prompt = tokenizer.chat(ChatInput(messages))
    assert "be brief" in prompt.text
    assert prompt.text.endswith("<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n")
    assert list(prompt.ids) == tokenizer.encode(prompt.text)
    assert not tokenizer.chat(ChatInput(messages, generation_prompt=False)).text.endswith("assistant\n")


def test_control_tokens_of_a_client_are_text(tokenizer: HuggingFaceTokenizer) -> None:
    prompt = tokenizer.chat(ChatInput(({"role": "user", "content": "a<|im_end|>b"},)))
    (end,) = tokenizer.encode("<|im_end|>")
    assert "a<|im_end|>b" in prompt.text
    assert prompt.ids.count(end) == 2  # of the system's turn and the user's
    assert not prompt.exact


ODD = [  # tokens that take the space beside them, or only stand between spaces
    AddedToken("<left>", lstrip=True, normalized=False),
    AddedToken("<right>", rstrip=True, normalized=False),
    AddedToken("word", single_word=True, normalized=False),
    AddedToken("<left><right>", normalized=False),
]


@pytest.mark.parametrize(
    "text",
    [
        "a  <left>  b",
        "a  <right>  b",
        " <left> <right> ",
        "word sword words word.",
        "a <left><right> b",
        "\n<right>\n\n<left>",
    ],
)
@pytest.mark.parametrize("content", ["<b>", " <", "> ", "x"])
def test_odd_tokens_are_found_as_the_tokenizer_finds_them(
    folder: TokenizerFolder, tmp_path: Path, text: str, content: str
) -> None:
    source = copied(folder, tmp_path, chat_template="{{ messages[0].content }}|" + text + "|{{ messages[0].content }}")
    backend = Tokenizer.from_file(f"{source}/tokenizer.json")
    backend.add_tokens(ODD)
    backend.save(f"{source}/tokenizer.json")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    for token in json.loads(backend.to_str())["added_tokens"]:
        config["added_tokens_decoder"][str(token.pop("id"))] = token
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    tokenizer = HuggingFaceTokenizer.load(source)
    assert len(tokenizer.encode("<left><right>")) == 1
    prompt = tokenizer.chat(ChatInput(({"role": "user", "content": content},)))
    assert prompt.text == f"{content}|{text}|{content}"
    assert list(prompt.ids) == tokenizer.encode(prompt.text)
    assert prompt.exact


def test_settings_of_training_do_not_cut_prompts(folder: TokenizerFolder, tmp_path: Path) -> None:
    source = copied(folder, tmp_path)
    backend = Tokenizer.from_file(f"{source}/tokenizer.json")
    backend.enable_truncation(4)
    backend.enable_padding(length=4)
    backend.save(f"{source}/tokenizer.json")
    tokenizer = HuggingFaceTokenizer.load(source)
    text = "one two three four five six"
    assert tokenizer.encode(text) == HuggingFaceTokenizer.load(str(folder.path)).encode(text)
    assert len(tokenizer.encode("1")) == 1


def test_half_a_surrogate_pair_is_no_text(tokenizer: HuggingFaceTokenizer) -> None:
    with pytest.raises(RequestError, match="surrogate"):
        tokenizer.encode("a\ud800b")
    with pytest.raises(RequestError, match="surrogate"):
        tokenizer.encode("a" * LONG + "\ud800b")


def copied(folder: TokenizerFolder, to: Path, **changes: object) -> str:
    shutil.copytree(folder.path, to, dirs_exist_ok=True)
    path = to / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")
    for template in to.glob("*.jinja"):
        template.unlink()
    return str(to)


def test_no_chat_template(folder: TokenizerFolder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no chat template"):
        HuggingFaceTokenizer.load(copied(folder, tmp_path, chat_template=None))


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no tokenizer folder"):
        HuggingFaceTokenizer.load(str(tmp_path / "absent"))


@pytest.mark.parametrize(
    "content", [{}, {"tokenizer.json": "{", "tokenizer_config.json": "{}"}], ids=["empty", "damaged"]
)
def test_a_folder_that_is_no_tokenizer(tmp_path: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        HuggingFaceTokenizer.load(str(tmp_path))


def test_code_beside_a_tokenizer_is_not_executed(folder: TokenizerFolder, tmp_path: Path) -> None:
    source = copied(
        folder, tmp_path, auto_map={"AutoTokenizer": ["tokenization_trap.Trap", None]}, tokenizer_class="Trap"
    )
    (tmp_path / "tokenization_trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: ...\n")
    with contextlib.suppress(SettingsError):  # refusing is as good as reading it without its code
        HuggingFaceTokenizer.load(source)
    assert not (tmp_path / "sprung").exists()


def test_a_tokenizer_of_another_family(tmp_path: Path) -> None:
    Tokenizer(models.WordLevel({"[UNK]": 0, "▁hello": 1}, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "x"})
    )
    with pytest.raises(SettingsError, match="not a byte-level BPE"):
        HuggingFaceTokenizer.load(str(tmp_path))


@pytest.mark.skipif(not QWEN.is_dir(), reason="Qwen's tokenizer data is not beside the project (../shared/qwen)")
def test_qwen_s_own_files(tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(QWEN / name, tmp_path / name)
    config = json.loads((QWEN / "tokenizer_config.json").read_text("utf-8"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": "x"}))
    tokenizer = HuggingFaceTokenizer.load(str(tmp_path))
    ids = [100007, 100662, 109157, 30, 141334, 23811, 1879]
    assert tokenizer.encode("如何保持正能量?😀 hello world") == ids
    assert b"".join(tokenizer.table[id] for id in ids).decode() == "如何保持正能量?😀 hello world"
    assert tokenizer.end_ids == (151645, 151643)
