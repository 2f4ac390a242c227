"""The body of POST /v1/responses, as OpenAI documents it, and what this server cannot do of it.

It checks shapes and refuses what needs a store or tools that run at OpenAI. Values that chat completions have too
(ranges, names of functions, schemas) are checked once more by theirs: ``core.responses`` translates into those.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag, field_validator, model_validator

from gateway.core.errors import RequestError, UnsupportedField
from gateway.core.schema.base import Model, parse
from gateway.core.schema.response_items import Item, by_type, unserved

STATELESS = "This server stores nothing: send the items of earlier turns in 'input'."

# Known fields that are refused: the values that ask for nothing, and why any other one is refused.
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "previous_response_id": ((None,), f"'previous_response_id' is not supported. {STATELESS}"),
    "conversation": ((None,), f"'conversation' is not supported. {STATELESS}"),
    "background": ((None, False), "'background' is not supported: nothing would keep the response for later."),
    "prompt": ((None,), "'prompt' is not supported: stored prompt templates exist only at OpenAI. Send 'input'."),
    "truncation": ((None, "disabled"), "'truncation' can only be 'disabled' here: no item of the input is dropped."),
    "context_management": ((None, []), "'context_management' is not supported: nothing is dropped or compacted here."),
    "moderation": ((None,), "'moderation' is not supported by this server."),
}
LOGPROBS = "message.output_text.logprobs"
# Fields that only OpenAI's own service gives a meaning to; they are known, and change nothing here.
INCLUDABLE = (
    LOGPROBS,
    "reasoning.encrypted_content",  # not needed: reasoning items carry their text
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
)


class FunctionTool(Model):
    """A function the model may call, in the flat form of this API."""

    type: Literal["function"]
    name: str
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class OtherTool(Model):
    type: Annotated[str, Field(description="Not supported.")]

    _refuse = field_validator("type")(unserved("tools", "'function'"))


Tool = Annotated[
    Annotated[FunctionTool, Tag("Function")] | Annotated[OtherTool, Tag("Other")], by_type({"function": "Function"})
]


class NamedFunction(Model):
    type: Literal["function"]
    name: str


class AllowedTools(Model):
    """The part of ``tools`` that may be called in this turn."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedFunction], Field(min_length=1)]


class OtherChoice(Model):
    type: Annotated[str, Field(description="Not supported.")]

    _refuse = field_validator("type")(unserved("choices", "'function' and 'allowed_tools'"))


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("Word")]
    | Annotated[NamedFunction, Tag("Function")]
    | Annotated[AllowedTools, Tag("Allowed")]
    | Annotated[OtherChoice, Tag("Other")],
    by_type({None: "Word", "function": "Function", "allowed_tools": "Allowed"}),
]


class TextFormat(Model):
    """What the text must look like; the schema stands beside ``type``, not in an object of its own."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None
    description: str | None = None

    @model_validator(mode="after")
    def _schema_given(self) -> TextFormat:
        for name, value in (("name", self.name), ("schema", self.schema_)):
            if self.type == "json_schema" and value is None:
                raise ValueError(f"a format of type 'json_schema' needs '{name}'")
        return self


class TextConfig(Model):
    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Model):
    """Summaries are never made: the thinking itself is in the answer."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class StreamOptions(Model):
    include_obfuscation: bool | None = None  # padding against eavesdroppers: OpenAI's own, never added here


class Extensions(Model):
    """Fields that OpenAI does not have here: those of chat completions, under the same names, and checked there."""

    top_k: Any = None
    min_p: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    repetition_penalty: Any = None
    seed: Any = None
    stop: Any = None
    stop_token_ids: Any = None
    include_stop_str_in_output: Any = None
    min_tokens: Any = None
    ignore_eos: Any = None
    bad_words: Any = None
    logit_bias: Any = None
    chat_template_kwargs: Any = None
    structured_outputs: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    priority: Any = None
    cache_salt: Any = None


class ResponsesRequest(Extensions):
    """The body of POST /v1/responses."""

    model: str
    input: str | Annotated[list[Item], Field(min_length=1, fail_fast=True)]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    tools: Annotated[list[Tool], Field(fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None  # counts calls of OpenAI's own tools, of which there are none
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["disabled"] | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    background: Literal[False] | None = None
    previous_response_id: None = None
    conversation: None = None
    prompt: None = None
    moderation: None = None
    context_management: list[None] | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, body: Any) -> Any:
        for name, (harmless, why) in REFUSED.items():
            if isinstance(body, dict) and name in body:
                value = body[name]
                if not any(type(value) is type(nothing) and value == nothing for nothing in harmless):
                    raise UnsupportedField(why, param=name)
        return body

    @field_validator("include")
    @classmethod
    def _includable(cls, include: list[str] | None) -> list[str] | None:
        for name in include or []:
            if name not in INCLUDABLE:
                raise ValueError(f"'{name[:64]}' cannot be included, only {', '.join(map(repr, INCLUDABLE))}")
        return include

    @model_validator(mode="after")
    def _options_of_a_stream(self) -> ResponsesRequest:
        if self.stream_options is not None and not self.stream:
            raise RequestError("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
        return self

    @property
    def logprobs(self) -> bool:
        """Whether log-probabilities are wanted: said by ``include``, or by a count of alternatives."""
        return LOGPROBS in (self.include or []) or bool(self.top_logprobs)


def parse_responses(body: bytes) -> ResponsesRequest:
    """The checked request. RequestError that names the field."""
    return parse(ResponsesRequest, body)
