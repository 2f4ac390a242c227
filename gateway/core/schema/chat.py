"""POST /v1/chat/completions: what clients may send, as OpenAI documents it, and the extensions of the field (vLLM's and
TensorRT-LLM's servers spell them so). It knows fields and ranges; it must not know what they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from gateway.core.errors import RequestError
from gateway.core.schema.base import INT32_MAX, MOST_ITEMS, Model, Unserved, parse
from gateway.core.schema.message import Message, NamedTool, Tool

# Known fields that are not served, with the values that ask for nothing.
UNSERVED: Unserved = {
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "prediction": (None,),
    "web_search_options": (None,),
    "moderation": (None,),
    "verbosity": (None, "medium"),
    "best_of": (None, 1),
    "use_beam_search": (None, False),
    "length_penalty": (None, 1, 1.0),
    "early_stopping": (None, False),
    "prompt_logprobs": (None,),
    "allowed_token_ids": (None,),
    "chat_template": (None,),
    "documents": (None,),
    "include_reasoning": (None, True),
    "skip_special_tokens": (None, True),
    "spaces_between_special_tokens": (None, True),
    "truncate_prompt_tokens": (None,),
    "return_tokens_as_token_ids": (None, False),
    "priority": (None, 0),
    "cache_salt": (None,),
}

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
StopString = Annotated[str, Field(min_length=1, max_length=1024)]
TokenId = Annotated[int, Field(ge=0, le=INT32_MAX)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**64)]


class StreamOptions(Model):
    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    include_obfuscation: bool | None = None  # none is added; that is allowed


class JsonSchema(Model):
    name: str | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Model):
    """``type`` decides which of the others is read."""

    type: Literal["text", "json_object", "json_schema", "regex", "grammar"]
    json_schema: JsonSchema | None = None
    pattern: str | None = None
    grammar: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> ResponseFormat:
        needed = {"json_schema": "json_schema", "regex": "pattern", "grammar": "grammar"}.get(self.type)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"a response format of type '{self.type}' needs '{needed}'")
        return self


class StructuredOutputs(Model):
    """vLLM's field for what the answer must look like; exactly one of these."""

    json_: Annotated[dict[str, Any] | str | None, Field(alias="json")] = None
    json_object: bool | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None


class SamplingFields(Model):
    """What every endpoint that generates text takes."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Field(ge=-1, le=INT32_MAX)] | None = None
    min_p: Probability | None = None
    seed: Seed | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=1024)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None
    ignore_eos: bool | None = None
    bad_words: Annotated[list[StopString], Field(max_length=64)] | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=64)] | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=64)] | None = None
    include_stop_str_in_output: bool | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: dict[str, Any] | str | None = None
    guided_regex: str | None = None
    guided_choice: list[str] | None = None
    guided_grammar: str | None = None
    # These ask for nothing that a stateless server does: they are for OpenAI's own dashboards, billing and caches.
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    request_id: str | None = None

    @field_validator("logit_bias")
    @classmethod
    def _bias(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        for token, value in (bias or {}).items():
            if not (token.isascii() and token.isdigit() and int(token) <= INT32_MAX):
                raise ValueError(f"its keys must be token ids, not {token[:64]!r}")
            if not (math.isfinite(value) and -100 <= value <= 100):
                raise ValueError(f"the bias of token {token} must be between -100 and 100")
        return bias

    @property
    def stop_strings(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(dict.fromkeys(self.stop))

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def continuous_usage(self) -> bool:
        return self.include_usage and bool(self.stream_options and self.stream_options.continuous_usage_stats)


class ChatRequest(SamplingFields):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_ITEMS, fail_fast=True)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None


def parse_chat(body: bytes | Mapping[str, Any]) -> ChatRequest:
    """The checked request. RequestError that names the field, with OpenAI's spelling of its path."""
    request = parse(ChatRequest, body, unserved=UNSERVED)
    check_stream_options(request)
    if request.top_logprobs and not request.logprobs:
        raise RequestError("'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs")
    if request.tool_choice is not None and not request.tools and request.tool_choice not in ("none", "auto"):
        raise RequestError("'tool_choice' is only allowed when 'tools' are given.", param="tool_choice")
    names = [tool.function.name for tool in request.tools or ()]
    if isinstance(request.tool_choice, NamedTool) and request.tool_choice.function.name not in names:
        raise RequestError(
            f"'tool_choice' names the function '{request.tool_choice.function.name}', which is not among 'tools'.",
            param="tool_choice",
        )
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise RequestError(f"'tools' has two functions with the name '{doubled[0]}'.", param="tools")
    return request


def check_stream_options(request: SamplingFields) -> None:
    if request.stream_options is not None and not request.stream:
        raise RequestError("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
