"""The response object of /v1/responses and its items: those that a gateway to one text model can send."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Strict
from .chat import Bytes, Count, Logarithm

Status = Literal["in_progress", "completed", "incomplete"]


class TopLogprob(Strict):
    token: str
    logprob: Logarithm
    bytes: Bytes


class OutputLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class OutputText(Strict):
    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[Any], Field(max_length=0)]
    logprobs: list[OutputLogprob] | None = None


class ReasoningText(Strict):
    type: Literal["reasoning_text"]
    text: str


class SummaryText(Strict):
    type: Literal["summary_text"]
    text: str


class MessageItem(Strict):
    type: Literal["message"]
    id: str
    role: Literal["assistant"]
    status: Status
    content: list[OutputText]


class FunctionCallItem(Strict):
    type: Literal["function_call"]
    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


class ReasoningItem(Strict):
    type: Literal["reasoning"]
    id: str
    summary: list[SummaryText]
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


Item = Annotated[MessageItem | FunctionCallItem | ReasoningItem, Field(discriminator="type")]


class InputTokensDetails(Strict):
    cached_tokens: Count
    cache_write_tokens: Count = 0


class OutputTokensDetails(Strict):
    reasoning_tokens: Count


class ResponseUsage(Strict):
    input_tokens: Count
    input_tokens_details: InputTokensDetails
    output_tokens: Count
    output_tokens_details: OutputTokensDetails
    total_tokens: Count


class FunctionTool(Strict):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None
    strict: bool | None


class NamedChoice(Strict):
    type: Literal["function"]
    name: str


class TextFormat(Strict):
    type: Literal["text", "json_object"]


class SchemaFormat(Strict):
    type: Literal["json_schema"]
    name: str
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextConfig(Strict):
    format: TextFormat | SchemaFormat
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningConfig(Strict):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class ResponseError(Strict):
    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class IncompleteDetails(Strict):
    reason: Literal["max_output_tokens", "content_filter"]


class Response(Strict):
    id: Annotated[str, Field(pattern="^resp_")]
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | list[Any] | None
    metadata: dict[str, str] | None
    model: str
    output: list[Item]
    parallel_tool_calls: bool
    temperature: float | None
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | dict[str, Any]
    tools: list[FunctionTool]
    top_p: float | None
    usage: ResponseUsage | None = None
    background: bool | None = None
    completed_at: float | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    previous_response_id: None = None
    prompt_cache_key: str | None = None
    reasoning: ReasoningConfig | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    store: bool | None = None
    text: TextConfig | None = None
    top_logprobs: int | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None


class InputTokens(Strict):
    object: Literal["response.input_tokens"]
    input_tokens: Count
