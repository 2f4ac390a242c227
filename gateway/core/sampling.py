"""Sampling fields of a request → what every generation shares: limits, sampling, stops. It knows OpenAI's meanings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.schema.chat import SamplingFields
from gateway.core.types import Adapter, Generate, Sampling

SAMPLING_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "min_tokens",
)
MOST_CHOICES = 128


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What a served model can hold. ``max_model_len``: tokens of prompt and answer together. ``guides``: the guide
    types that its Triton model takes; ``vocab_size``: of the engine's logits, None where nobody said."""

    name: str
    max_model_len: int
    end_ids: tuple[int, ...]
    vocab_size: int | None = None
    guides: frozenset[str] = frozenset()
    adapter: Adapter | None = None


def max_tokens(wanted: int | None, limits: ModelLimits, prompt_tokens: int, *, param: str, what: str) -> int:
    """What the client allows, else what is left of the context. ``what``: the field that holds the prompt."""
    left = limits.max_model_len - prompt_tokens
    if left < 1:
        raise ContextLengthExceeded(
            f"This model's maximum context length is {limits.max_model_len} tokens, but the {what} are "
            f"{prompt_tokens} tokens, which leaves no room for an answer. Shorten the {what}.",
            param=what,
        )
    if wanted is not None and wanted > left:
        raise ContextLengthExceeded(
            f"This model's maximum context length is {limits.max_model_len} tokens, but you asked for "
            f"{prompt_tokens + wanted} ({prompt_tokens} in the {what}, {wanted} in '{param}'). "
            f"Shorten the {what} or ask for at most {left}.",
            param=param,
        )
    return left if wanted is None else wanted


def sampling(request: SamplingFields, vocabulary: int, seed: int) -> Sampling:
    """``vocabulary``: number of token ids; ``seed`` is used where the request has none."""
    given = {name: value for name in SAMPLING_FIELDS if (value := getattr(request, name)) is not None}
    asked = frozenset(
        name
        for name in (*given, "logit_bias", "bad_words", "ignore_eos", "logprobs")
        if getattr(request, name, None) or name in given
    )
    if given.get("top_k") == -1:  # another common spelling of "all"
        given["top_k"] = 0
    given["seed"] = given.get("seed", seed) % 2**64
    bias = tuple((int(token), value) for token, value in (request.logit_bias or {}).items() if value)
    for token, _ in bias:
        if token >= vocabulary:
            raise RequestError(
                f"Invalid 'logit_bias': token {token} does not exist; this model's ids are 0 to {vocabulary - 1}.",
                param="logit_bias",
            )
    return Sampling(**given, logit_bias=bias, bad_words=tuple(request.bad_words or ()), asked=asked)


def end_ids(request: SamplingFields, limits: ModelLimits, vocabulary: int) -> tuple[int, ...]:
    """Every id that ends generation: the model's own unless they are to be ignored, and the client's."""
    for token in request.stop_token_ids or ():
        if token >= vocabulary:
            raise RequestError(
                f"Invalid 'stop_token_ids': token {token} does not exist; this model's ids are 0 to {vocabulary - 1}.",
                param="stop_token_ids",
            )
    own = () if request.ignore_eos else limits.end_ids
    return tuple(dict.fromkeys((*own, *(request.stop_token_ids or ()))))


def choices(first: list[Generate], n: int) -> tuple[Generate, ...]:
    """``n`` answers to each of the generations: ids, indexes and seeds of their own, interleaved as OpenAI numbers
    them."""
    if len(first) * n == 1:
        return tuple(first)
    if len(first) * n > MOST_CHOICES:
        raise RequestError(f"More than {MOST_CHOICES} answers in one request. Ask for fewer.", param="n")
    return tuple(
        replace(
            generate,
            id=f"{generate.id}-{row * n + column}",
            choice=row * n + column,
            sampling=replace(generate.sampling, seed=(generate.sampling.seed + row * n + column) % 2**64),
        )
        for row, generate in enumerate(first)
        for column in range(n)
    )


def check_min_tokens(request: SamplingFields, most: int) -> None:
    if request.min_tokens is not None and request.min_tokens > most:
        raise RequestError(
            f"'min_tokens' ({request.min_tokens}) is more than the {most} tokens that may be generated.",
            param="min_tokens",
        )
