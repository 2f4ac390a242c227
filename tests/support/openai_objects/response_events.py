"""The events of a streamed response. Each has its type and a number that grows by one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from .base import ErrorDetail, Strict
from .chat import Count, Logarithm
from .responses import Item, OutputText, ReasoningText, Response, SummaryText

Part = Annotated[OutputText | ReasoningText, Field(discriminator="type")]


class Event(Strict):
    sequence_number: Count


class Whole(Event):
    """The states of the response as a whole."""

    type: Literal[
        "response.created", "response.in_progress", "response.completed", "response.incomplete", "response.failed"
    ]
    response: Response


class ItemEvent(Event):
    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: Count
    item: Item


class _OfItem(Event):
    item_id: str
    output_index: Count


class PartEvent(_OfItem):
    type: Literal["response.content_part.added", "response.content_part.done"]
    content_index: Count
    part: Part


class _TopLogprob(Strict):
    token: str
    logprob: Logarithm
    bytes: list[int] | None = None


class _Logprob(_TopLogprob):
    top_logprobs: list[_TopLogprob] | None = None


class TextDelta(_OfItem):
    type: Literal["response.output_text.delta"]
    content_index: Count
    delta: str
    logprobs: list[_Logprob]


class TextDone(_OfItem):
    type: Literal["response.output_text.done"]
    content_index: Count
    text: str
    logprobs: list[_Logprob]


class ReasoningDelta(_OfItem):
    type: Literal["response.reasoning_text.delta"]
    content_index: Count
    delta: str


class ReasoningDone(_OfItem):
    type: Literal["response.reasoning_text.done"]
    content_index: Count
    text: str


class SummaryPart(_OfItem):
    type: Literal["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"]
    summary_index: Count
    part: SummaryText


class SummaryDelta(_OfItem):
    type: Literal["response.reasoning_summary_text.delta"]
    summary_index: Count
    delta: str


class SummaryDone(_OfItem):
    type: Literal["response.reasoning_summary_text.done"]
    summary_index: Count
    text: str


class ArgumentsDelta(_OfItem):
    type: Literal["response.function_call_arguments.delta"]
    delta: str


class ArgumentsDone(_OfItem):
    type: Literal["response.function_call_arguments.done"]
    arguments: str
    name: str | None = None


class Failure(Event):
    """The flat fields are what OpenAI documents, ``error`` is what it sends and what its clients raise on."""

    type: Literal["error"]
    code: str | None
    message: str
    param: str | None
    error: ErrorDetail


AnyEvent = Annotated[
    Whole
    | ItemEvent
    | PartEvent
    | TextDelta
    | TextDone
    | ReasoningDelta
    | ReasoningDone
    | SummaryPart
    | SummaryDelta
    | SummaryDone
    | ArgumentsDelta
    | ArgumentsDone
    | Failure,
    Field(discriminator="type"),
]

_ANY: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def check_event(value: Any) -> Any:
    return _ANY.validate_python(value)
