"""Chat completions, whole and streamed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Strict

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
Count = Annotated[int, Field(ge=0)]
Logarithm = Annotated[float, Field(le=0)]
Bytes = list[Annotated[int, Field(ge=0, le=255)]]


class PromptTokensDetails(Strict):
    cached_tokens: Count = 0
    audio_tokens: Count = 0


class CompletionTokensDetails(Strict):
    reasoning_tokens: Count = 0
    audio_tokens: Count = 0
    accepted_prediction_tokens: Count = 0
    rejected_prediction_tokens: Count = 0


class Usage(Strict):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class TopLogprob(Strict):
    token: str
    logprob: Logarithm
    bytes: Bytes | None


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class Logprobs(Strict):
    content: list[TokenLogprob] | None
    refusal: list[TokenLogprob] | None


class Function(Strict):
    name: str
    arguments: str


class ToolCall(Strict):
    id: str
    type: Literal["function"]
    function: Function


class Message(Strict):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    annotations: list[object] = Field(default_factory=list, max_length=0)


class Choice(Strict):
    index: Count
    message: Message
    logprobs: Logprobs | None
    finish_reason: FinishReason


class ChatCompletion(Strict):
    id: Annotated[str, Field(pattern="^chatcmpl-")]
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: Usage | None = None
    system_fingerprint: str | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None


class FunctionDelta(Strict):
    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Strict):
    index: Count
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionDelta


class ChunkDelta(Strict):
    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCallDelta], Field(min_length=1)] | None = None


class ChunkChoice(Strict):
    index: Count
    delta: ChunkDelta
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None


class ChatCompletionChunk(Strict):
    id: Annotated[str, Field(pattern="^chatcmpl-")]
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
