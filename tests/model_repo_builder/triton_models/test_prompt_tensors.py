from typing import Any

import numpy as np
import pytest

from model_repo_builder.triton_models.shared.prompt_tensors import PromptTensors, refuse
from model_repo_builder.triton_models.shared.tokenizer_folder import QwenTokenizer, load_tokenizer
from tests.support.tokenizer import TokenizerFolder


@pytest.fixture
def loaded(tokenizer: TokenizerFolder) -> QwenTokenizer:
    return load_tokenizer(str(tokenizer.path))


@pytest.fixture
def tensors(loaded: QwenTokenizer, tokenizer: TokenizerFolder) -> PromptTensors:
    return PromptTensors(loaded, tokenizer.vocab_size + 20, tokenizer.eos_token_ids)


def texts(*rows: list[str]) -> Any:
    return np.array([[text.encode() for text in row] for row in rows], dtype=np.object_)


def test_a_batch_of_prompts(tensors: PromptTensors, loaded: QwenTokenizer, tokenizer: TokenizerFolder) -> None:
    prompts = ["hello", "<|im_start|>user\n你好<|im_end|>"]
    ids, lengths = tensors.prompts(texts(*[[prompt] for prompt in prompts]))
    rows = loaded.prompts(prompts)
    assert lengths.tolist() == [[len(row)] for row in rows]
    assert ids.shape == (2, max(map(len, rows)))
    for line, row in zip(ids.tolist(), rows, strict=True):
        assert line == row + [tokenizer.pad_id] * (ids.shape[1] - len(row))
    assert (ids.dtype, lengths.dtype) == (np.int32, np.int32)


def words_of(lists: Any) -> list[list[list[int]]]:
    """The rule of the tensor, read back: ids one after another, then where each word ends."""
    rows = []
    for flat, ends in lists.tolist():
        places = [end for end in ends if end >= 0]
        assert places == sorted(set(places))
        rows.append([flat[start:end] for start, end in zip([0, *places], places, strict=False)])
        assert all(token == 0 for token in flat[places[-1] if places else 0 :])
    return rows


def test_word_lists_follow_the_rule_of_the_tensor(tensors: PromptTensors, loaded: QwenTokenizer) -> None:
    lists = tensors.bad_words(texts(["hello", "你好 world"], ["x", ""]), 2)
    assert lists.shape[:2] == (2, 2)
    assert lists.dtype == np.int32
    assert words_of(lists) == [loaded.words(["hello", "你好 world"]), loaded.words(["x"])]


@pytest.mark.parametrize("words", [None, texts(["", ""])], ids=["not given", "empty words"])
def test_no_words(tensors: PromptTensors, words: Any) -> None:
    assert tensors.bad_words(words, 1).shape == (1, 2, 0)


def test_the_other_end_tokens_stop_too(
    tensors: PromptTensors, loaded: QwenTokenizer, tokenizer: TokenizerFolder
) -> None:
    end, pad = tensors.end_and_pad(None, None, 2)
    assert end.tolist() == [[tokenizer.end_id]] * 2
    assert pad.tolist() == [[tokenizer.pad_id]] * 2
    assert words_of(tensors.stop_words(None, None, 1)) == [[[tokenizer.pad_id]]]
    assert words_of(tensors.stop_words(texts(["x"]), None, 1)) == [[*loaded.words(["x"]), [tokenizer.pad_id]]]


def test_a_given_end_id_is_the_only_one(tensors: PromptTensors) -> None:
    given = np.array([[7]], dtype=np.int32)
    end, pad = tensors.end_and_pad(given, np.array([[9]], dtype=np.int32), 1)
    assert (end.tolist(), pad.tolist()) == ([[7]], [[9]])
    assert tensors.stop_words(None, given, 1).shape == (1, 2, 0)


def test_embedding_bias_is_as_long_as_the_engines_vocabulary(
    tensors: PromptTensors, loaded: QwenTokenizer, tokenizer: TokenizerFolder
) -> None:
    weights = np.array([[1.5, -2.0, 0.5]], dtype=np.float32)
    bias = tensors.embedding_bias(texts(["<think>", "x", "x"]), weights, 1)
    assert bias.shape == (1, tokenizer.vocab_size + 20)
    ((think,), (x,)) = loaded.words(["<think>", "x"])
    assert (bias[0, think], bias[0, x]) == (1.5, -1.5)
    assert np.count_nonzero(bias) == 2


def test_no_embedding_bias(tensors: PromptTensors) -> None:
    assert tensors.embedding_bias(None, None, 3).shape == (3, 0)


def call(tensors: PromptTensors, name: str, *arguments: Any) -> Any:
    return getattr(tensors, name)(*arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        pytest.param("prompts", (texts([""]),), "text_input is empty", id="empty prompt"),
        pytest.param("prompts", (texts(["a", "b"]),), "one text per request, not 2", id="two prompts in a row"),
        pytest.param("prompts", (np.array([[b"\xff"]], dtype=np.object_),), "not UTF-8", id="no text"),
        pytest.param("bad_words", (np.array([[b"\xff"]], dtype=np.object_), 1), "bad_words is not UTF-8", id="no word"),
        pytest.param("embedding_bias", (texts(["a"]), None, 1), "go together", id="words without weights"),
        pytest.param("embedding_bias", (None, np.ones((1, 1)), 1), "go together", id="weights without words"),
        pytest.param("embedding_bias", (texts(["a"]), np.ones((1, 2)), 1), "the same shape", id="shapes"),
        pytest.param("end_and_pad", (np.ones((1, 2)), None, 1), "end_id takes one id", id="two end ids"),
    ],
)
def test_what_a_client_got_wrong(tensors: PromptTensors, name: str, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(tensors, name, *arguments)


def test_a_token_that_the_engine_does_not_have(loaded: QwenTokenizer) -> None:
    with pytest.raises(ValueError, match="which the engine does not have"):
        PromptTensors(loaded, 3).embedding_bias(texts(["hello"]), np.ones((1, 1)), 1)


def test_an_input_without_a_use_is_named() -> None:
    refuse({"QUERY": 1}, ("QUERY", "END_ID"))
    with pytest.raises(ValueError, match="takes text only, so IMAGE has no use here"):
        refuse({"QUERY": 1, "IMAGE": 2}, ("QUERY", "END_ID"))
