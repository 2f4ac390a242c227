"""Trains the byte-level BPE on the corpus and writes the tokenizer folder: tokenizer.json, tokenizer_config.json, config.json and
generation_config.json. `python -m seedling.vocabulary` (half a minute, one core; needs `tokenizers`).
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from seedling import corpus, prompt
from seedling.shape import ADDED, PACKAGE, SEEDLING, SPECIAL, Shape

# How every Qwen tokenizer cuts text before merging; digits stand alone, which is what makes small sums learnable.
PIECES = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
EXAMPLES = 60_000


def texts(count: int) -> Any:
    for example in itertools.islice(corpus.examples("vocabulary"), count):
        text = prompt.read(example) + prompt.write_answer(example)
        for mark in (*SPECIAL, *ADDED):
            text = text.replace(mark, "\n")
        yield text


def train(count: int = EXAMPLES, shape: Shape = SEEDLING) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocab - len(SPECIAL) - len(ADDED),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(count), trainer)
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in SPECIAL])
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in ADDED])
    if tokenizer.get_vocab_size() != shape.vocab:
        raise SystemExit(
            f"The corpus gave {tokenizer.get_vocab_size()} tokens instead of {shape.vocab}; give more examples."
        )
    return tokenizer


def settings(tokenizer: Tokenizer, shape: Shape = SEEDLING) -> dict[str, dict[str, Any]]:
    """The JSON files beside tokenizer.json."""
    ids = {mark: tokenizer.token_to_id(mark) for mark in (*SPECIAL, *ADDED)}
    entry = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    end, text_end = ids["<|im_end|>"], ids["<|endoftext|>"]
    return {
        "tokenizer_config.json": {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(i): {"content": mark, **entry, "special": mark in SPECIAL} for mark, i in ids.items()
            },
            "additional_special_tokens": list(SPECIAL[1:]),
            "bos_token": None,
            "chat_template": (Path(__file__).parent / "chat_template.jinja").read_text("utf-8"),
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": shape.context,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
        "config.json": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": text_end,
            "eos_token_id": end,
            "head_dim": shape.head_dim,
            "hidden_act": "silu",
            "hidden_size": shape.hidden,
            "initializer_range": 0.02,
            "intermediate_size": shape.feed_forward,
            "max_position_embeddings": shape.context,
            "max_window_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_hidden_layers": shape.layers,
            "num_key_value_heads": shape.kv_heads,
            "rms_norm_eps": shape.norm_eps,
            "rope_scaling": None,
            "rope_theta": shape.rope_theta,
            "sliding_window": None,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "use_cache": True,
            "use_sliding_window": False,
            "vocab_size": shape.vocab,
        },
        "generation_config.json": {
            "bos_token_id": text_end,
            "do_sample": False,
            "eos_token_id": [end, text_end],
            "pad_token_id": text_end,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PACKAGE)
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    tokenizer = train(arguments.examples)
    tokenizer.save(str(arguments.output / "tokenizer.json"))
    for name, content in settings(tokenizer).items():
        (arguments.output / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
