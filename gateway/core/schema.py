"""What clients may send, as OpenAI documents it. Checked here once; everything after trusts it.

Types are strict: a number in a string is an error that names the field, as at OpenAI. Fields nobody knows are ignored.
Fields that are known but not served are refused by name unless they hold the value that changes nothing: silence would
be a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.core.errors import RequestError, UnsupportedField

INT32_MAX = 2**31 - 1

# Known fields that are not served, with the values that ask for nothing.
UNSERVED: dict[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "prediction": (None,),
    "web_search_options": (None,),
}


class Model(BaseModel):
    """Base of all: strict types, unknown fields ignored, immutable."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class TextPart(Model):
    type: Literal["text"]
    text: str


class Message(Model):
    """One turn. A content of null is an assistant's turn without text."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _content_given(self) -> Message:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a message of role '{self.role}' needs 'content'")
        return self

    @property
    def text(self) -> str:
        """The content as one string; parts are joined as they are."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(Model):
    include_usage: bool | None = None


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
StopString = Annotated[str, Field(min_length=1, max_length=1024)]


class ChatRequest(Model):
    """The body of POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Field(ge=-1, le=INT32_MAX)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=64)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unserved(cls, body: Any) -> Any:
        if isinstance(body, dict):
            for name, harmless in UNSERVED.items():
                if name in body and not any(type(body[name]) is type(v) and body[name] == v for v in harmless):
                    raise UnsupportedField(f"'{name}' is not supported by this server yet.", param=name)
        return body

    @property
    def stop_strings(self) -> tuple[str, ...]:
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(dict.fromkeys(self.stop))

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


def parse_chat(body: bytes) -> ChatRequest:
    """The checked request. RequestError that names the field, with OpenAI's spelling of its path."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as exc:
        raise _request_error(exc) from exc
    if request.stream_options is not None and not request.stream:
        raise RequestError("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    return request


def _request_error(exc: ValidationError) -> RequestError:
    errors = exc.errors(include_url=False, include_context=False)
    # Of the branches of a union, the one that got furthest is the one that was meant; a wrong type got nowhere.
    start = errors[0]["loc"][:-1]
    branches = [error for error in errors if error["loc"][: len(start)] == start]
    error = max(branches, key=lambda e: (len(e["loc"]), not e["type"].endswith("_type")))
    if error["type"] == "json_invalid":
        return RequestError(f"The body is not valid JSON: {error['msg'].removeprefix('Invalid JSON: ')}.")
    if not error["loc"]:
        return RequestError(f"The body must be a JSON object with 'model' and 'messages': {error['msg']}.")
    path = _path(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return RequestError(f"Invalid '{path}': {message[0].lower()}{message[1:]}.", param=path)


def _path(loc: Iterable[int | str]) -> str:
    """pydantic's location as ``messages[0].content``; the union branches it adds are no part of the body."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier() and not step[0].isupper() and step not in ("str", "list", "constrained-str"):
            path += f".{step}" if path else step
    return path
