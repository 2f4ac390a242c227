"""What each route sends: one row per input, with its names, newest first, because releases rename tensors.

It knows what the inputs of TensorRT-LLM's models mean. It must not know what a particular Triton model declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from gateway.core.errors import RequestError, UnsupportedField
from gateway.core.tensors import Scalar
from gateway.core.types import Generate, Tokenizer

Value = Sequence[Scalar] | Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Input:
    """One row of a route: where a value comes from and what the tensor may be called. None: nothing to send."""

    field: str
    names: tuple[str, ...]
    value: Callable[[Generate, Tokenizer], Value | None]
    required: bool = False
    neutral: Scalar | None = None  # the value that means the same as leaving the field out


@dataclass(frozen=True, slots=True)
class Route:
    """One shape of Triton model."""

    name: Literal["direct", "llmapi", "ensemble", "bls"]
    inputs: tuple[Input, ...]
    streaming: str  # the input that asks for a stream
    ids: str = "output_ids"
    lengths: str = "sequence_length"
    text: str | None = None
    cumulative: bool = False  # whether every response has all the text so far, whatever the model's parameters say
    reason: str | None = None  # the output that says why it ended
    logprobs: str = "output_log_probs"
    # The input and the output that tell how much of a prompt came from the cache.
    reuse: tuple[str, ...] = ("return_perf_metrics", "return_kv_cache_reuse_stats")
    reused_blocks: str = "kv_cache_reused_blocks"


def _sampled(field: str) -> Callable[[Generate, Tokenizer], Value | None]:
    """Temperature, top_p and seed: sent when sampling, left out when greedy, where engines disagree about them."""
    return lambda generate, _: None if generate.sampling.greedy else [getattr(generate.sampling, field)]


def _optional(field: str) -> Callable[[Generate, Tokenizer], Value | None]:
    def value(generate: Generate, _: Tokenizer) -> Value | None:
        given: Scalar | None = getattr(generate.sampling, field)
        return None if given is None else [given]

    return value


def _top_p(generate: Generate, _: Tokenizer) -> Value | None:
    # Just under 1 has tripped assertions in TensorRT-LLM, where 1 was meant.
    top_p = generate.sampling.top_p
    return None if generate.sampling.greedy else [1.0 if top_p > 0.99999 else top_p]


def _end_id(generate: Generate, _: Tokenizer) -> Value:
    return generate.end_ids[:1] or [-1]  # -1: no id ends it


def _words(words: Sequence[Sequence[int]]) -> Value | None:
    """A word list: row 0 the ids of all words, row 1 where each word ends, filled up with -1."""
    if not words:
        return None
    ids = [id for word in words for id in word]
    ends: list[int] = []
    for word in words:
        ends.append((ends[-1] if ends else 0) + len(word))
    return [*ids, *ends, *[-1] * (len(ids) - len(ends))]


def _end_word_list(generate: Generate, _: Tokenizer) -> Value | None:
    """The other end ids as stop words of one token."""
    return _words([(id,) for id in generate.end_ids[1:]])


def _bad_word_list(generate: Generate, tokenizer: Tokenizer) -> Value | None:
    """Each word as it is tokenized at the beginning of a text, and after a space: two spellings in a vocabulary."""
    words = [tokenizer.encode(spelling) for word in generate.sampling.bad_words for spelling in (word, f" {word}")]
    return _words([word for word in words if word])


def _end_words(generate: Generate, tokenizer: Tokenizer) -> Value | None:
    return [tokenizer.token(id).encode() for id in generate.end_ids[1:]] or None


def _bias_vector(generate: Generate, _: Tokenizer) -> Value | None:
    """A bias for every id of the engine's logits: their number is not the tokenizer's, which is not padded."""
    if not generate.sampling.logit_bias:
        return None
    if generate.vocab_size is None:
        raise UnsupportedField(
            "'logit_bias' cannot be honoured: the size of the engine's vocabulary is not configured (vocab_size in "
            "gateway.toml).",
            param="logit_bias",
        )
    vector = [0.0] * generate.vocab_size
    for token, bias in generate.sampling.logit_bias:
        if token >= generate.vocab_size:
            raise RequestError(f"Invalid 'logit_bias': token {token} does not exist.", param="logit_bias")
        vector[token] = bias
    return vector


def _bias_words(generate: Generate, tokenizer: Tokenizer) -> Value | None:
    """The words whose tokens get the bias. Triton's preprocessing tokenizes them, so each must be one token's text."""
    words = []
    for token, _ in generate.sampling.logit_bias:
        raw = tokenizer.table[token]
        if tokenizer.encode(raw.decode("utf-8", "replace")) != [token]:
            raise UnsupportedField(
                f"'logit_bias' cannot be honoured for token {token}: on this route tokens are named by their text, and "
                "its text alone is another token's. Use route direct.",
                param="logit_bias",
            )
        words.append(raw)
    return words or None


def _text_prompt(generate: Generate, _: Tokenizer) -> Value:
    if not generate.prompt.exact:
        raise UnsupportedField(
            "The prompt cannot be sent as text: it holds control tokens that are meant as text, or token ids that no "
            "text gives. This route lets Triton tokenize; use route direct, or take them out.",
            param="messages",
        )
    return [generate.prompt.text.encode("utf-8", "replace")]


def _adapter(generate: Generate, _: Tokenizer) -> Value | None:
    return None if generate.adapter is None else [generate.adapter.task_id]


def _guide(part: str) -> Callable[[Generate, Tokenizer], Value | None]:
    return lambda generate, _: None if generate.guide is None else [getattr(generate.guide, part).encode()]


# Greedy is said as top_k 1 alone. Sampling says temperature, top_p and top_k: without the last two TensorRT-LLM is
# greedy whatever the temperature, and without a seed it starts every request from the same one.
def _sampling(top_k: str, top_p: str) -> tuple[Input, ...]:
    return (
        Input("top_k", (top_k,), lambda g, _: [1 if g.sampling.greedy else g.sampling.top_k], neutral=0),
        Input("top_p", (top_p,), _top_p, neutral=1.0),
        Input("temperature", ("temperature",), _sampled("temperature"), neutral=1.0),
        Input("seed", ("seed", "random_seed"), _sampled("seed")),
        Input("min_p", ("min_p", "runtime_min_p"), _optional("min_p"), neutral=0.0),
        Input("frequency_penalty", ("frequency_penalty",), _optional("frequency_penalty"), neutral=0.0),
        Input("presence_penalty", ("presence_penalty",), _optional("presence_penalty"), neutral=0.0),
        Input("repetition_penalty", ("repetition_penalty",), _optional("repetition_penalty"), neutral=1.0),
        Input("min_tokens", ("min_tokens", "min_length"), _optional("min_tokens"), neutral=0),
        Input("ignore_eos", ("end_id",), _end_id),
        Input("pad_id", ("pad_id",), lambda g, _: g.end_ids[:1] or None),
        Input("exclude_prompt", ("exclude_input_in_output",), lambda g, _: [True]),
        Input("logprobs", ("return_log_probs",), lambda g, _: [True] if g.logprobs else None),
        Input("guide", ("guided_decoding_guide_type",), _guide("kind")),
        Input(
            "guide",
            ("guided_decoding_guide",),
            lambda g, t: _guide("value")(g, t) if g.guide and g.guide.value else None,
        ),
        Input("model", ("lora_task_id",), _adapter),
    )


_TEXT = (
    Input("prompt", ("text_input",), _text_prompt, required=True),
    Input("max_tokens", ("max_tokens",), lambda g, _: [g.max_tokens], required=True),
    Input("end_words", ("stop_words",), _end_words),
    Input("bad_words", ("bad_words",), lambda g, _: [word.encode() for word in g.sampling.bad_words] or None),
    Input("logit_bias", ("embedding_bias_words",), _bias_words),
    Input(
        "logit_bias",
        ("embedding_bias_weights",),
        lambda g, _: [bias for _, bias in g.sampling.logit_bias] or None,
    ),
    *_sampling("top_k", "top_p"),
)
DIRECT = Route(
    "direct",
    (
        Input("prompt", ("input_ids",), lambda g, _: g.prompt.ids, required=True),
        Input("prompt_length", ("input_lengths",), lambda g, _: [len(g.prompt.ids)]),
        Input("max_tokens", ("request_output_len",), lambda g, _: [g.max_tokens], required=True),
        Input("end_words", ("stop_words_list",), _end_word_list),
        Input("bad_words", ("bad_words_list",), _bad_word_list),
        Input("logit_bias", ("embedding_bias",), _bias_vector),
        *_sampling("runtime_top_k", "runtime_top_p"),
    ),
    streaming="streaming",
)
_LLMAPI = "sampling_param_"
LLMAPI = Route(
    "llmapi",
    (
        Input("prompt", ("text_input",), _text_prompt, required=True),
        Input("max_tokens", (f"{_LLMAPI}max_tokens",), lambda g, _: [g.max_tokens], required=True),
        # The model has neither bad words nor a bias nor guided decoding; the rows are there to refuse them by name.
        *(
            replace(row, names=tuple(f"{_LLMAPI}{name}" for name in row.names))
            for row in _sampling("top_k", "top_p")
            if row.field not in ("exclude_prompt", "pad_id", "logprobs", "guide", "model")
        ),
        Input("exclude_prompt", (f"{_LLMAPI}exclude_input_from_output",), lambda g, _: [True]),
        Input("bad_words", (f"{_LLMAPI}bad_words",), lambda g, _: [w.encode() for w in g.sampling.bad_words] or None),
        Input("logit_bias", (f"{_LLMAPI}logit_bias",), lambda g, _: [1.0] if g.sampling.logit_bias else None),
        Input("logprobs", ("return_log_probs",), lambda g, _: [True] if g.logprobs else None),
        Input("finish_reason", ("return_finish_reason",), lambda g, _: [True]),
        Input("model", ("lora_task_id",), _adapter),
    ),
    streaming="streaming",
    text="text_output",
    cumulative=True,
    reason="finish_reason",
    reuse=(),
)
ENSEMBLE = Route("ensemble", _TEXT, streaming="stream", text="text_output")
BLS = Route("bls", _TEXT, streaming="stream", text="text_output")

# In the order in which "auto" tries them: exact ids first, and as little as possible between engine and gateway.
ROUTES: Mapping[str, Route] = MappingProxyType({route.name: route for route in (DIRECT, LLMAPI, ENSEMBLE, BLS)})
