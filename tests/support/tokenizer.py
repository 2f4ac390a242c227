"""A small Qwen tokenizer, made in the process in about a second.

It is a byte-level BPE with Qwen2's pre-tokenizer, Qwen's special tokens and a ChatML template with
Qwen2.5's behaviour, trained on the lines below, so tests need no download. Every one of the 256 bytes has a
token of its own; frequent characters and words have one token, rare ones (聪, most emoji) take several,
which is what tests of split UTF-8 need.

It must not know Triton, the gateway or the builder: what it writes is an ordinary Hugging Face folder.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Skipped when text is decoded with ``skip_special_tokens``; the first and the last end generation."""

MARKUP_TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
"""One id each, but part of the text, as in Qwen3."""

DEFAULT_SYSTEM = "You are a small model made for tests."

CORPUS = (
    "Hello, how are you today? I am fine, thank you, and what about you?",
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "A model repository holds five models: preprocessing, the engine, postprocessing and two more.",
    "Please count from one to ten: one two three four five six seven eight nine ten.",
    "What is the capital of France? The capital of France is Paris. What about Germany? It is Berlin.",
    "You are a small model made for tests. You are a helpful assistant. user assistant system tool",
    "Streaming sends one token after another, so that the reader sees the text while it is being written.",
    "It's what we've got, isn't it? They'll say that you're right, I'm sure, and we'd agree.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))\n",
    '{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}',
    "你好，世界！今天天气怎么样？我很好，谢谢你。",
    "如何保持正能量？多读书，多运动，早睡早起。",
    "法国的首都是巴黎，德国的首都是柏林，中国的首都是北京。",
    "请用中文回答我的问题，谢谢。好的，我来回答你的问题。",
    "😀 hello 😀 world 😀",
    "- first\n- second\n- third\n\n1. one\n2. two\n3. three\n",
)

CHAT_TEMPLATE = """\
{%- if messages[0]['role'] == 'system' -%}
    {%- set system = messages[0]['content'] -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set system = 'DEFAULT_SYSTEM' -%}
    {%- set turns = messages -%}
{%- endif -%}
{{- '<|im_start|>system\\n' + system -}}
{%- if tools -%}
    {{- '\\n\\n# Tools\\n\\nFunctions that may be called, one JSON signature per line:\\n<tools>' -}}
    {%- for tool in tools -%}
        {{- '\\n' + (tool | tojson) -}}
    {%- endfor -%}
    {{- '\\n</tools>\\n\\nA call is a JSON object between <tool_call> and </tool_call>.' -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- for message in turns -%}
    {%- if message['role'] == 'tool' -%}
        {%- if loop.first or loop.previtem['role'] != 'tool' -%}
            {{- '<|im_start|>user' -}}
        {%- endif -%}
        {{- '\\n<tool_response>\\n' + message['content'] + '\\n</tool_response>' -}}
        {%- if loop.last or loop.nextitem['role'] != 'tool' -%}
            {{- '<|im_end|>\\n' -}}
        {%- endif -%}
    {%- else -%}
        {{- '<|im_start|>' + message['role'] -}}
        {%- if message['content'] or not message['tool_calls'] -%}
            {{- '\\n' + (message['content'] or '') -}}
        {%- endif -%}
        {%- for call in message['tool_calls'] or [] -%}
            {%- set function = call['function'] if call['function'] else call -%}
            {{- '\\n<tool_call>\\n{"name": ' + (function['name'] | tojson) + ', "arguments": ' -}}
            {%- set arguments = function['arguments'] -%}
            {{- arguments if arguments is string else (arguments | tojson) -}}
            {{- '}\\n</tool_call>' -}}
        {%- endfor -%}
        {{- '<|im_end|>\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
""".replace("DEFAULT_SYSTEM", DEFAULT_SYSTEM)


@dataclass(frozen=True, slots=True)
class TokenizerFolder:
    """Where the tokenizer lies, and the ids that tests name."""

    path: Path
    vocab_size: int
    end_id: int
    pad_id: int

    @property
    def eos_token_ids(self) -> list[int]:
        """Every id that ends generation, the end of a chat turn first."""
        return [self.end_id, self.pad_id]

    def load(self) -> Tokenizer:
        return Tokenizer.from_file(str(self.path / "tokenizer.json"))


def train(vocab_size: int = 800) -> Tokenizer:
    """The tokenizer itself: ``vocab_size`` entries of BPE, then the control and the markup tokens."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in MARKUP_TOKENS])
    return tokenizer


def write_tokenizer(path: Path, *, vocab_size: int = 800, context: int = 2048) -> TokenizerFolder:
    """Write the folder as a Qwen checkpoint has it (without weights) and say what is in it."""
    path.mkdir(parents=True, exist_ok=True)
    tokenizer = train(vocab_size)
    tokenizer.save(str(path / "tokenizer.json"))
    endoftext, _, im_end = (tokenizer.token_to_id(text) for text in CONTROL_TOKENS)
    folder = TokenizerFolder(path, tokenizer.get_vocab_size(), end_id=im_end, pad_id=endoftext)
    documents = {
        "tokenizer_config.json": _tokenizer_config(tokenizer, context),
        "config.json": {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "vocab_size": folder.vocab_size,
            "max_position_embeddings": context,
            "eos_token_id": im_end,
            "bos_token_id": endoftext,
        },
        "generation_config.json": {
            "bos_token_id": endoftext,
            "pad_token_id": endoftext,
            "eos_token_id": folder.eos_token_ids,
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.8,
            "top_k": 20,
            "repetition_penalty": 1.05,
        },
    }
    for name, document in documents.items():
        (path / name).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def _tokenizer_config(tokenizer: Tokenizer, context: int) -> dict[str, object]:
    added = {
        str(tokenizer.token_to_id(text)): {
            "content": text,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": text in CONTROL_TOKENS,
        }
        for text in (*CONTROL_TOKENS, *MARKUP_TOKENS)
    }
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": context,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
