"""Messages, their blocks, counts, errors and events of a stream: those that a gateway to one text model can send."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Count = Annotated[int, Field(ge=0)]
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TextBlock(Strict):
    type: Literal["text"]
    text: str
    citations: None = None


class ThinkingBlock(Strict):
    type: Literal["thinking"]
    thinking: str
    signature: str


class ToolUseBlock(Strict):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


Block = Annotated[TextBlock | ThinkingBlock | ToolUseBlock, Field(discriminator="type")]


class OutputDetails(Strict):
    thinking_tokens: Count


class Usage(Strict):
    input_tokens: Count
    output_tokens: Count
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens_details: OutputDetails | None = None


class Message(Strict):
    id: Annotated[str, Field(pattern="^msg_")]
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Block]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: Usage


class TokenCount(Strict):
    input_tokens: Count


class ErrorDetail(Strict):
    type: Literal[
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "rate_limit_error",
        "timeout_error",
        "api_error",
        "overloaded_error",
    ]
    message: str


class ErrorBody(Strict):
    """Both the body of an error and the ``error`` event."""

    type: Literal["error"]
    error: ErrorDetail
    request_id: str | None = None


class TextDelta(Strict):
    type: Literal["text_delta"]
    text: Annotated[str, Field(min_length=1)]


class ThinkingDelta(Strict):
    type: Literal["thinking_delta"]
    thinking: Annotated[str, Field(min_length=1)]


class SignatureDelta(Strict):
    type: Literal["signature_delta"]
    signature: str


class InputDelta(Strict):
    type: Literal["input_json_delta"]
    partial_json: str


class MessageStart(Strict):
    type: Literal["message_start"]
    message: Message


class BlockStart(Strict):
    type: Literal["content_block_start"]
    index: Count
    content_block: Block


class BlockDelta(Strict):
    type: Literal["content_block_delta"]
    index: Count
    delta: Annotated[TextDelta | ThinkingDelta | SignatureDelta | InputDelta, Field(discriminator="type")]


class BlockStop(Strict):
    type: Literal["content_block_stop"]
    index: Count


class StopDetails(Strict):
    stop_reason: StopReason
    stop_sequence: str | None


class DeltaUsage(Strict):
    output_tokens: Count
    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens_details: OutputDetails | None = None


class MessageDelta(Strict):
    type: Literal["message_delta"]
    delta: StopDetails
    usage: DeltaUsage


class MessageStop(Strict):
    type: Literal["message_stop"]


class Ping(Strict):
    type: Literal["ping"]


AnyEvent = Annotated[
    MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | Ping | ErrorBody,
    Field(discriminator="type"),
]

_ANY: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def check_event(value: Any) -> Any:
    return _ANY.validate_python(value)
