"""The tensors of one request → a frozen, checked request; or an error that names the input which is wrong.

TensorRT-LLM decides what the inputs mean. Where it leaves a choice, or where its behaviour is a trap, this
is what holds here:

- Neither runtime_top_k nor runtime_top_p (or both 0), runtime_top_k 1, or temperature 0: greedy.
- runtime_top_k 0 with runtime_top_p > 0 samples from the nucleus; runtime_top_p 1 does not cut anything.
- No random_seed: a fresh one per request (TensorRT-LLM takes the same one every time).
- No end_id: every end token of the model ends the sequence; end_id -1: none does.
- A guide ends the sequence where it is complete and the model has no more to say, whatever end_id is. min_length
  would keep it from ending there, and is refused beside it.
- request_output_len is cut to what is left of max_seq_len, without a word, as TensorRT-LLM does.

An input that this engine cannot honour is refused by name, unless it says what holds anyway (``NEUTRAL``):
an ensemble always sends its empty lists.

It knows the contract's inputs. It must not know Triton, threads or the pipeline.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .guide import TYPES, Guide, GuideError, checked
from .settings import Settings

Array = np.ndarray[Any, np.dtype[Any]]
Tensors = Mapping[str, Array]

NO_END = -1


class RequestError(Exception):
    """The request cannot be served; the text names the input."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. ``greedy`` makes the three values after it meaningless."""

    greedy: bool
    temperature: float
    top_k: int
    """0: no limit."""
    top_p: float
    seed: int | None
    """None: a fresh one."""
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float


@dataclass(frozen=True, slots=True)
class Request:
    """A request that can be served."""

    id: str
    prompt: tuple[int, ...]
    max_tokens: int
    min_tokens: int
    end_ids: frozenset[int]
    stop_words: tuple[tuple[int, ...], ...]
    sampling: Sampling
    streaming: bool
    log_probs: bool
    guide: Guide | None = None


def _empty(value: Array) -> bool:
    return value.size == 0


def _zero(value: Array) -> bool:
    return not value.any()


def _among(*allowed: float) -> Callable[[Array], bool]:
    return lambda value: bool(np.isin(value, np.array(allowed, dtype=value.dtype)).all())


def _no_words(value: Array) -> bool:
    return value.size == 0 or not (value.reshape(2, -1)[1] > 0).any()


NEUTRAL: Mapping[str, Callable[[Array], bool]] = {
    "beam_width": _among(1),
    "bad_words_list": _no_words,
    "embedding_bias": _zero,
    "len_penalty": _among(0, 1),
    "early_stopping": _zero,
    "beam_search_diversity_rate": _zero,
    "runtime_top_p_min": _among(0, 1e-6),
    "runtime_top_p_decay": _among(1),
    "runtime_top_p_reset_ids": _among(-1, 0),
    "draft_input_ids": _empty,
    "draft_logits": _empty,
    "draft_acceptance_threshold": _among(0, 1),
    "prompt_embedding_table": _empty,
    "prompt_vocab_size": _zero,
    "lora_task_id": _zero,
    "lora_weights": _empty,
    "lora_config": _empty,
    "return_context_logits": _zero,
    "return_generation_logits": _zero,
}
"""Inputs that the pipeline has nothing for, and the values that change nothing."""

NEUTRAL_LATER: Mapping[str, Callable[[Array], bool]] = {
    "num_return_sequences": _among(0, 1),
    "decoder_input_ids": _empty,
    "encoder_input_features": _empty,
    "cross_attention_mask": _empty,
    "skip_cross_attn_blocks": _zero,
    "context_phase_params": _empty,
    "mrope_rotary_cos_sin": _empty,
    "mrope_position_deltas": _zero,
    "return_kv_cache_reuse_stats": _zero,
    "return_perf_metrics": _zero,
    "return_num_input_tokens": _zero,
    "return_num_output_tokens": _zero,
}
"""The same of later releases."""

RENAMED: Mapping[str, str] = {"seed": "random_seed", "min_tokens": "min_length"}
"""Names of later releases, and those that this engine reads."""


def is_stop(tensors: Tensors) -> bool:
    """Whether this request only asks to stop another one with the same id."""
    return bool(_scalar(tensors, "stop", False))


def read_request(request_id: str, tensors: Tensors, settings: Settings) -> Request:
    tensors = {RENAMED.get(name, name): value for name, value in tensors.items()}
    if bool(_scalar(tensors, "exclude_input_in_output", settings.exclude_input_in_output)) != (
        settings.exclude_input_in_output
    ):
        raise RequestError("exclude_input_in_output cannot be honoured: here it is a parameter of the model")
    for name, is_neutral in (*NEUTRAL.items(), *NEUTRAL_LATER.items()):
        if name in tensors and not is_neutral(tensors[name]):
            raise RequestError(f"{name} cannot be honoured by the CPU engine: leave it out")
    prompt = _prompt(tensors, settings)
    max_tokens = _whole(tensors, "request_output_len", None, least=1)
    max_tokens = min(max_tokens, settings.capacity - len(prompt))
    return Request(
        id=request_id,
        prompt=prompt,
        max_tokens=max_tokens,
        min_tokens=min(_whole(tensors, "min_length", 0), max_tokens),
        end_ids=_end_ids(tensors, settings),
        stop_words=_words(tensors, "stop_words_list"),
        sampling=_sampling(tensors),
        streaming=bool(_scalar(tensors, "streaming", False)),
        log_probs=bool(_scalar(tensors, "return_log_probs", False)),
        guide=_guide(tensors),
    )


def _prompt(tensors: Tensors, settings: Settings) -> tuple[int, ...]:
    ids = _given(tensors, "input_ids")
    if ids.ndim > 1 and ids.shape[0] != 1:
        raise RequestError("Inflight batching backend expects requests with batch size of 1.")
    prompt = tuple(int(token) for token in ids.reshape(-1))
    if not prompt:
        raise RequestError("input_ids is empty: send at least one token")
    if len(prompt) >= settings.capacity:
        raise RequestError(f"Prompt length ({len(prompt)}) exceeds maximum input length ({settings.capacity - 1})")
    strange = next((token for token in prompt if not 0 <= token < settings.vocab_size), None)
    if strange is not None:
        raise RequestError(f"input_ids holds {strange}, but the model's ids are 0 to {settings.vocab_size - 1}")
    return prompt


def _end_ids(tensors: Tensors, settings: Settings) -> frozenset[int]:
    if "end_id" not in tensors:
        return frozenset(settings.eos_token_ids)
    end_id = _whole(tensors, "end_id", None, least=NO_END)
    if end_id >= settings.vocab_size:
        raise RequestError(f"end_id is {end_id}, but the model's ids are 0 to {settings.vocab_size - 1}")
    return frozenset() if end_id == NO_END else frozenset((end_id,))


def _words(tensors: Tensors, name: str) -> tuple[tuple[int, ...], ...]:
    """Ids of all words in the first row, where each word ends in the second, filled up with -1."""
    if name not in tensors or not tensors[name].size:
        return ()
    value = tensors[name]
    if value.shape[-2:-1] != (2,) or value.size != 2 * value.shape[-1]:
        raise RequestError(f"{name} has shape {list(value.shape)}: send [1, 2, n]")
    ids, ends = value.reshape(2, -1).tolist()
    ends = list(itertools.takewhile(lambda end: end > 0, ends))
    if any(later <= earlier for earlier, later in itertools.pairwise(ends)) or ends[-1:] > [len(ids)]:
        raise RequestError(f"{name} has offsets {ends}: they must rise and not pass {len(ids)}")
    return tuple(tuple(ids[start:end]) for start, end in itertools.pairwise([0, *ends]))


def _sampling(tensors: Tensors) -> Sampling:
    temperature = _number(tensors, "temperature", 1.0, least=0.0)
    top_k = _whole(tensors, "runtime_top_k", 0)
    # TensorRT-LLM drops a top_p that is not positive.
    top_p = max(_number(tensors, "runtime_top_p", 0.0, most=1.0), 0.0)
    repetition_penalty = _number(tensors, "repetition_penalty", 1.0, least=0.0)
    if not repetition_penalty:
        raise RequestError("repetition_penalty is 0: send a number above 0")
    return Sampling(
        greedy=temperature == 0 or top_k == 1 or (top_k == 0 and top_p == 0),
        temperature=temperature,
        top_k=top_k,
        top_p=top_p or 1.0,
        seed=int(_scalar(tensors, "random_seed", 0)) if "random_seed" in tensors else None,
        repetition_penalty=repetition_penalty,
        presence_penalty=_number(tensors, "presence_penalty", 0.0, least=-2.0, most=2.0),
        frequency_penalty=_number(tensors, "frequency_penalty", 0.0, least=-2.0, most=2.0),
    )


def _guide(tensors: Tensors) -> Guide | None:
    type, text = (_text(tensors, f"guided_decoding_{name}") for name in ("guide_type", "guide"))
    if not type:
        if text:
            raise RequestError("guided_decoding_guide needs guided_decoding_guide_type: send both")
        return None
    if type not in TYPES:
        raise RequestError(f"guided_decoding_guide_type is {type[:40]!r}: send one of {', '.join(TYPES)}")
    if _whole(tensors, "min_length", 0):
        raise RequestError("min_length cannot be honoured beside guided_decoding_guide: leave one out")
    try:
        return checked(type, text)
    except GuideError as error:
        raise RequestError(f"guided_decoding_guide {error}") from None


def _text(tensors: Tensors, name: str) -> str:
    value = _scalar(tensors, name, b"")
    try:
        return value if isinstance(value, str) else bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"{name} is not UTF-8") from None


def _given(tensors: Tensors, name: str) -> Array:
    if name not in tensors:
        raise RequestError(f"{name} is missing")
    return tensors[name]


def _scalar(tensors: Tensors, name: str, default: Any) -> Any:
    if name not in tensors:
        return default
    value = tensors[name]
    if value.size != 1:
        raise RequestError(f"{name} has shape {list(value.shape)}: send one value")
    first = value.reshape(-1)[0]
    return first.item() if isinstance(first, np.generic) else first


def _whole(tensors: Tensors, name: str, default: int | None, *, least: int = 0) -> int:
    value = int(_scalar(tensors, name, default) if default is not None else _scalar_given(tensors, name))
    if value < least:
        raise RequestError(f"{name} is {value}: send a whole number of at least {least}")
    return value


def _scalar_given(tensors: Tensors, name: str) -> Any:
    _given(tensors, name)
    return _scalar(tensors, name, None)


def _number(tensors: Tensors, name: str, default: float, *, least: float = -math.inf, most: float = math.inf) -> float:
    value = float(_scalar(tensors, name, default))
    if not math.isfinite(value) or not least <= value <= most:
        bounds = [f"at least {least:g}"] * math.isfinite(least) + [f"at most {most:g}"] * math.isfinite(most)
        raise RequestError(f"{name} is {value:g}: send a number of {' and '.join(bounds) or 'finite size'}")
    return value
