import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from model_repo_builder.triton_models.shared.tokenizer_folder import load_tokenizer
from tests.support.tokenizer import TokenizerFolder

QWEN = Path(__file__).parents[4] / "shared" / "qwen" / "tokenizer"


def test_ids_are_those_of_transformers(tokenizer: TokenizerFolder) -> None:
    texts = ["你好 hello", "<|im_start|>user\nhi<|im_end|>\n", "聪😀", ""]
    reference = AutoTokenizer.from_pretrained(tokenizer.path)
    expected = [reference.encode(text, add_special_tokens=False) for text in texts]
    assert load_tokenizer(str(tokenizer.path)).prompts(texts) == expected


def test_end_ids_begin_with_the_chat_end(tokenizer: TokenizerFolder) -> None:
    assert load_tokenizer(str(tokenizer.path)).end_ids == tokenizer.eos_token_ids


def test_a_folder_whose_config_adds_tokens_is_left_to_transformers(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    shutil.copytree(tokenizer.path, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    config["added_tokens_decoder"][str(tokenizer.vocab_size)] = {"content": "<|new|>", "special": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    assert load_tokenizer(str(folder)).prompts(["<|new|>"]) == [[tokenizer.vocab_size]]


def test_code_in_the_folder_does_not_run(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    folder, trap = tmp_path / "t", tmp_path / "ran"
    shutil.copytree(tokenizer.path, folder)
    (folder / "tokenization_trap.py").write_text(f"open({str(trap)!r}, 'w')\n")
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    config["auto_map"] = {"AutoTokenizer": ["tokenization_trap.Trap", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    load_tokenizer(str(folder))
    assert not trap.exists()


def test_a_tokenizer_that_is_not_byte_level_is_refused(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    data = json.loads((tokenizer.path / "tokenizer.json").read_text("utf-8"))
    data["model"]["vocab"]["▁word"] = len(data["model"]["vocab"]) + 100
    (tmp_path / "tokenizer.json").write_text(json.dumps(data), "utf-8")
    with pytest.raises(ValueError, match="not byte-level"):
        load_tokenizer(str(tmp_path))


def test_the_real_qwen_vocabulary(tmp_path: Path) -> None:
    if not (QWEN / "vocab.json").is_file():
        reason = f"the Qwen tokenizer in {QWEN} is not on this machine"
        pytest.skip(reason)
    folder = tmp_path / "qwen"
    shutil.copytree(QWEN, folder)
    loaded = load_tokenizer(str(folder))
    text = "如何保持正能量?😀 hello world"
    assert loaded.prompts([text]) == [[100007, 100662, 109157, 30, 141334, 23811, 1879]]
    assert loaded.prompts(["<|im_start|>hello<|im_end|>"]) == [[151644, 14990, 151645]]
    assert loaded.token_bytes.text(loaded.prompts([text])[0]) == text
    assert loaded.end_ids == [151645, 151643]
