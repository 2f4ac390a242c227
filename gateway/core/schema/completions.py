"""POST /v1/completions: the older endpoint, which takes a prompt as it is. It knows fields and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from gateway.core.errors import RequestError, UnsupportedField
from gateway.core.schema.base import Unserved, parse
from gateway.core.schema.chat import UNSERVED as CHAT_UNSERVED
from gateway.core.schema.chat import SamplingFields, TokenId, check_stream_options

UNSERVED: Unserved = {
    name: harmless
    for name, harmless in CHAT_UNSERVED.items()
    if name not in ("functions", "function_call", "modalities", "audio", "prediction", "web_search_options")
}

TokenIds = Annotated[list[TokenId], Field(min_length=1, fail_fast=True)]


class CompletionRequest(SamplingFields):
    """The body of POST /v1/completions. ``prompt``: text or token ids, or a list of either."""

    prompt: (
        str
        | TokenIds
        | Annotated[list[str], Field(min_length=1, max_length=128, fail_fast=True)]
        | Annotated[list[TokenIds], Field(min_length=1, max_length=128, fail_fast=True)]
    )
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @property
    def prompts(self) -> tuple[str | list[int], ...]:
        if isinstance(self.prompt, str):
            return (self.prompt,)
        if isinstance(self.prompt[0], int):
            return ([id for id in self.prompt if isinstance(id, int)],)
        return tuple(prompt for prompt in self.prompt if not isinstance(prompt, int))


def parse_completion(body: bytes | Mapping[str, object]) -> CompletionRequest:
    """The checked request. RequestError that names the field."""
    request = parse(CompletionRequest, body, unserved=UNSERVED)
    check_stream_options(request)
    if request.suffix:
        raise UnsupportedField(
            "'suffix' is not supported. For fill-in-the-middle write the model's own tokens into 'prompt': "
            "<|fim_prefix|>…<|fim_suffix|>…<|fim_middle|> with Qwen2.5-Coder.",
            param="suffix",
        )
    if request.echo and request.logprobs is not None:
        raise UnsupportedField(
            "'echo' with 'logprobs' is not supported: the engine gives no log-probabilities of the prompt.",
            param="logprobs",
        )
    if "" in request.prompts:
        raise RequestError("'prompt' is empty. Send at least one character or token.", param="prompt")
    return request
