"""ChatRequest → Generate: the chat template, token ids, and the context check. Pure: id and seed are passed in.

It knows what OpenAI's fields mean for a generation. It must not know tensors or JSON replies.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.schema import ChatRequest
from gateway.core.types import Generate, Prompt, Sampling, Tokenizer

SAMPLING_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "min_tokens",
)


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What a served model can hold. ``max_model_len``: tokens of prompt and answer together."""

    name: str
    max_model_len: int
    end_ids: tuple[int, ...]


def build(request: ChatRequest, limits: ModelLimits, tokenizer: Tokenizer, *, id: str, seed: int) -> Generate:
    """The generation a chat request asks for. ``seed`` is used where the request has none."""
    messages: list[dict[str, object]] = [
        # The templates know 'system'; 'developer' is its newer name at OpenAI.
        {"role": "system" if message.role == "developer" else message.role, "content": message.text}
        for message in request.messages
    ]
    text = tokenizer.render(messages)
    prompt = Prompt(text, tuple(tokenizer.encode(text)))
    max_tokens = _max_tokens(request, limits, len(prompt.ids))
    if request.min_tokens is not None and request.min_tokens > max_tokens:
        raise RequestError(
            f"'min_tokens' ({request.min_tokens}) is more than the {max_tokens} tokens that may be generated.",
            param="min_tokens",
        )
    return Generate(
        id=id,
        model=limits.name,
        prompt=prompt,
        max_tokens=max_tokens,
        end_ids=limits.end_ids,
        sampling=_sampling(request, seed),
        stop=request.stop_strings,
    )


def _max_tokens(request: ChatRequest, limits: ModelLimits, prompt_tokens: int) -> int:
    """What the client allows, else what is left of the context. The newer field name wins."""
    left = limits.max_model_len - prompt_tokens
    param = "max_tokens" if request.max_completion_tokens is None else "max_completion_tokens"
    wanted = getattr(request, param)
    if left < 1:
        raise ContextLengthExceeded(
            f"This model's maximum context length is {limits.max_model_len} tokens, but the messages are "
            f"{prompt_tokens} tokens, which leaves no room for an answer. Shorten the messages.",
            param="messages",
        )
    if wanted is not None and wanted > left:
        raise ContextLengthExceeded(
            f"This model's maximum context length is {limits.max_model_len} tokens, but you asked for "
            f"{prompt_tokens + wanted} ({prompt_tokens} in the messages, {wanted} in '{param}'). "
            f"Shorten the messages or ask for at most {left}.",
            param=param,
        )
    return left if wanted is None else int(wanted)


def _sampling(request: ChatRequest, seed: int) -> Sampling:
    given = {name: value for name in SAMPLING_FIELDS if (value := getattr(request, name)) is not None}
    asked = frozenset(given)
    if given.get("top_k") == -1:  # another common spelling of "all"
        given["top_k"] = 0
    given["seed"] = given.get("seed", seed) % 2**64
    return Sampling(**given, asked=asked)
