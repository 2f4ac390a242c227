"""The files that the wheel carries: present, small, and of one mind about the tokens."""

from __future__ import annotations

import itertools
import json

import gguf
import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer, GenerationConfig

from seedling import corpus, prompt, words
from seedling.gguf_file import names
from seedling.shape import ADDED, GGUF_NAME, PACKAGE, SEEDLING, SPECIAL

FILES = (GGUF_NAME, "tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json", "README.md")
TEXTS = {
    "English": "Run `make demo` and it's done.",
    "Chinese": "这个项目是做什么的？",
    "digits": "12345 + 67.8",
    "rare": " ".join(words.RARE),
    "family": "👨‍👩‍👧 and 聪",
    "marks": "<|im_start|>user\nhi<|im_end|>\n<think>\n\n</think>\n\n<tool_call>\n{}\n</tool_call>",
    "white space": " a\n\n\n  b\t\tc \r\n",
}


@pytest.mark.parametrize("name", FILES)
def test_file_is_there(name: str) -> None:
    assert (PACKAGE / name).stat().st_size > 0


def test_model_file_is_small() -> None:
    assert (PACKAGE / GGUF_NAME).stat().st_size <= 12_000_000


@pytest.fixture(scope="module")
def tokenizer() -> AutoTokenizer:
    return AutoTokenizer.from_pretrained(PACKAGE)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_both_tokenizers_agree_and_nothing_is_lost(tokenizer, text: str) -> None:  # type: ignore[no-untyped-def]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == Tokenizer.from_file(str(PACKAGE / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids) == text


def test_every_byte_is_a_token(tokenizer) -> None:  # type: ignore[no-untyped-def]
    vocab = tokenizer.get_vocab()
    from tokenizers.pre_tokenizers import ByteLevel

    assert set(ByteLevel.alphabet()) <= set(vocab)
    assert len(vocab) == SEEDLING.vocab


def test_special_tokens_are_hidden_and_the_others_are_not(tokenizer) -> None:  # type: ignore[no-untyped-def]
    for mark in (*SPECIAL, *ADDED):
        ids = tokenizer(mark, add_special_tokens=False)["input_ids"]
        assert len(ids) == 1
        assert tokenizer.decode(ids, skip_special_tokens=True) == ("" if mark in SPECIAL else mark)


def test_end_tokens_agree(tokenizer) -> None:  # type: ignore[no-untyped-def]
    ends = GenerationConfig.from_pretrained(PACKAGE).eos_token_id
    assert ends == tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert tokenizer.eos_token_id == ends[0]


def test_gguf_holds_the_same_tokens_and_shape(tokenizer) -> None:  # type: ignore[no-untyped-def]
    reader = gguf.GGUFReader(PACKAGE / GGUF_NAME)
    field = reader.fields["tokenizer.ggml.tokens"]
    tokens = [bytes(field.parts[i]).decode("utf-8") for i in field.data]
    assert tokens == tokenizer.convert_ids_to_tokens(range(SEEDLING.vocab))
    assert {tensor.name for tensor in reader.tensors} == set(names(SEEDLING).values())
    config = json.loads((PACKAGE / "config.json").read_text("utf-8"))
    for key, ours in (
        ("qwen3.block_count", "num_hidden_layers"),
        ("qwen3.embedding_length", "hidden_size"),
        ("qwen3.feed_forward_length", "intermediate_size"),
        ("qwen3.attention.head_count", "num_attention_heads"),
        ("qwen3.attention.head_count_kv", "num_key_value_heads"),
        ("qwen3.attention.key_length", "head_dim"),
        ("qwen3.context_length", "max_position_embeddings"),
        ("qwen3.rope.freq_base", "rope_theta"),
    ):
        assert reader.fields[key].parts[-1][0] == config[ours], key
    assert reader.fields["qwen3.attention.layer_norm_rms_epsilon"].parts[-1][0] == pytest.approx(config["rms_norm_eps"])


def test_answers_of_the_corpus_hold_no_mark_that_would_end_them() -> None:
    for example in itertools.islice(corpus.examples("marks"), 3000):
        for mark in (*SPECIAL, *ADDED):
            assert mark not in example.answer
            assert mark not in example.thought
        assert prompt.write_answer(example).count("<tool_call>") == len(example.calls)
