"""The input items of the Responses API: messages, calls of functions, their outputs, thinking.

It knows their shapes, and refuses items and contents that only OpenAI's own tools and models understand. It must not
know what becomes of them (``core.responses``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from gateway.core.schema.base import Model


def unserved(what: str, served: str) -> Callable[[str], str]:
    """A validator of ``type`` for objects of types that are not served: it always refuses."""

    def refuse(type: str) -> str:
        raise ValueError(f"{what} of type '{type[:64]}' are not supported by this server, only {served}")

    return refuse


def by_type(tags: Mapping[Any, str], default: str | None = None) -> Discriminator:
    """By ``type``. Tags begin with a capital: they must not look like a field in the path of an error."""

    def tag(value: Any) -> str:
        if isinstance(value, str) and "Word" in tags.values():
            return "Word"
        type = value.get("type", default) if isinstance(value, dict) else getattr(value, "type", default)
        return tags.get(type, "Other") if isinstance(type, str) else "Other"

    return Discriminator(tag)


class TextPart(Model):
    """Text of a message, or of a tool's result."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: Any = None
    logprobs: Any = None
    prompt_cache_breakpoint: Any = None

    @property
    def value(self) -> str:
        return self.text


class RefusalPart(Model):
    """Text of an assistant that refused."""

    type: Literal["refusal"]
    refusal: str

    @property
    def value(self) -> str:
        return self.refusal


class OtherPart(Model):
    type: Annotated[str, Field(description="Not supported.")]

    _refuse = field_validator("type")(unserved("contents", "text"))

    @property
    def value(self) -> str:
        return ""


Part = Annotated[
    Annotated[TextPart, Tag("Text")] | Annotated[RefusalPart, Tag("Refusal")] | Annotated[OtherPart, Tag("Other")],
    by_type({"input_text": "Text", "output_text": "Text", "refusal": "Refusal"}),
]
# A list is read to its first error: a body of a hundred thousand bad items must not cost seconds.
Content = str | Annotated[list[Part], Field(fail_fast=True)]


class MessageItem(Model):
    """A message, typed or as the short form without ``type``; also an earlier answer that comes back."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class CallItem(Model):
    """A call of a function that the model made."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None


class CallOutputItem(Model):
    """What the function gave."""

    type: Literal["function_call_output"]
    call_id: str
    output: Content
    id: str | None = None
    status: str | None = None
    name: str | None = None


class ReasoningText(Model):
    type: Literal["summary_text", "reasoning_text"]
    text: str


class ReasoningItem(Model):
    """The model's thinking. Its text is used; what OpenAI encrypted only OpenAI can read."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: list[ReasoningText] | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: str | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.content or []) or "\n".join(part.text for part in self.summary or [])


class OtherItem(Model):
    type: Annotated[str, Field(description="Not supported.")]

    _refuse = field_validator("type")(
        unserved("items", "'message', 'function_call', 'function_call_output' and 'reasoning'")
    )


Item = Annotated[
    Annotated[MessageItem, Tag("Message")]
    | Annotated[CallItem, Tag("Call")]
    | Annotated[CallOutputItem, Tag("CallOutput")]
    | Annotated[ReasoningItem, Tag("Reasoning")]
    | Annotated[OtherItem, Tag("Other")],
    by_type(
        {
            "message": "Message",
            "function_call": "Call",
            "function_call_output": "CallOutput",
            "reasoning": "Reasoning",
        },
        default="message",
    ),
]
