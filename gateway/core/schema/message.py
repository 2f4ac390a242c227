"""The messages and tools of a chat, as OpenAI documents them. It knows their shapes; it must not know templates."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, field_validator, model_validator

from gateway.core.schema.base import MOST_ITEMS, Model

# Wider than OpenAI's: Qwen calls functions with Chinese names, and MCP's names have dots.
FunctionName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.:/-]+$")]
# What a model called in an earlier turn, which need not be the name of any tool: it must be possible to send it back.
CalledName = Annotated[str, Field(min_length=1)]


class ContentPart(Model):
    """A part of a content. Text only: the models behind this server see no images."""

    type: str
    text: str | None = None
    refusal: str | None = None

    @model_validator(mode="after")
    def _text_only(self) -> ContentPart:
        if self.type not in ("text", "refusal"):
            raise ValueError(f"content parts of type '{self.type[:64]}' are not supported, only 'text'")
        if self.value is None:
            raise ValueError(f"a content part of type '{self.type}' needs '{self.type}'")
        return self

    @property
    def value(self) -> str | None:
        return self.text if self.type == "text" else self.refusal


class FunctionCall(Model):
    name: CalledName
    arguments: str = "{}"


class ToolCall(Model):
    """A call the model made in an earlier turn."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall
    index: int | None = None  # clients that send back what they streamed leave it in


class Message(Model):
    """One turn. A content of null is an assistant's turn without text."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[ContentPart], Field(max_length=MOST_ITEMS, fail_fast=True)] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    # What assistants' messages of OpenAI's API carry besides; it changes nothing when it comes back.
    annotations: Any = None
    audio: None = None
    function_call: None = None

    @model_validator(mode="after")
    def _content_given(self) -> Message:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a message of role '{self.role}' needs 'content'")
        if self.tool_calls and self.role != "assistant":
            raise ValueError(f"a message of role '{self.role}' cannot have 'tool_calls'")
        return self

    @property
    def plain(self) -> dict[str, Any]:
        """As a plain dict, only with what the client sent."""
        known = self.model_dump(exclude_unset=True, exclude_none=True, exclude=set(self.model_extra or ()))
        known.setdefault("content", None)
        if isinstance(self.content, list):  # a refusal is text in a history
            known["content"] = [{"type": "text", "text": part.value} for part in self.content]
        return known


class Function(Model):
    """A function the model may call. ``parameters`` is a JSON schema; without one there are none."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _object(cls, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        if parameters and parameters.get("type", "object") != "object":
            raise ValueError("the schema of parameters must be of type 'object'")
        return parameters


class Tool(Model):
    type: Literal["function"]
    function: Function
    _plain: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep(cls, given: Any, validate: ModelWrapValidatorHandler[Tool]) -> Tool:
        tool = validate(given)
        tool._plain = given if isinstance(given, dict) else tool.model_dump(exclude_unset=True)
        return tool

    @property
    def plain(self) -> dict[str, Any]:
        """As templates print it, to the byte: keys in the client's order, nothing that the client did not send."""
        return self._plain


class FunctionChoice(Model):
    name: FunctionName


class NamedTool(Model):
    """``tool_choice`` that names one function."""

    type: Literal["function"]
    function: FunctionChoice
