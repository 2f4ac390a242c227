"""POST /v1/messages and /v1/messages/count_tokens: what clients may send, as Anthropic documents it. It knows fields,
blocks and ranges; it must not know how they are said in a chat completion (``core.messages``).

Blocks and tools that only Anthropic's own servers and models understand are refused by name: images, documents, server
tools. Fields that steer Anthropic's caches and billing change nothing here and are accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from gateway.core.schema.base import INT32_MAX, Model, Unserved, parse
from gateway.core.schema.message import CalledName, FunctionName

# Which thinking of earlier turns is rendered is the chat template's decision; keeping "all" takes nothing from it.
KEEP_THINKING: tuple[dict[str, Any], ...] = (
    {"edits": []},
    {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
)
# Known fields that are not served, with the values that ask for nothing.
UNSERVED: Unserved = {
    "container": (None,),
    "mcp_servers": (None, []),
    "context_management": (None, {}, *KEEP_THINKING),
    "inference_geo": (None,),
    "speed": (None, "standard"),
    "output_format": (None,),  # a beta that became output_config.format
}

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
StopSequence = Annotated[str, Field(min_length=1, max_length=1024)]
CallId = Annotated[str, Field(min_length=1, max_length=256)]


# A hint for Anthropic's prompt cache, which nothing here needs: the engine's finds equal beginnings by itself.
CacheControl = dict[str, Any] | None


class Block(Model):
    """A block of a content. What SDKs write into the blocks that they send back is known, and changes nothing."""

    cache_control: CacheControl = None
    citations: Any = None
    caller: Any = None
    toolset_name: None = None
    parsed_output: Any = None


class TextBlock(Block):
    type: Literal["text"]
    text: str


class ThinkingBlock(Block):
    """Thinking of an earlier turn. Its signature is Anthropic's proof of origin; nothing is proven here."""

    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(Block):
    """Thinking that only Anthropic can decrypt: it cannot be shown to any other model."""

    type: Literal["redacted_thinking"]
    data: str


class ToolUseBlock(Block):
    type: Literal["tool_use"]
    id: CallId
    name: CalledName
    input: dict[str, Any]


BLOCKS: dict[str, str] = {
    "text": "TextBlock",
    "thinking": "ThinkingBlock",
    "redacted_thinking": "RedactedThinkingBlock",
    "tool_use": "ToolUseBlock",
    "tool_result": "ToolResultBlock",
}


def _tag(block: Any) -> str | None:
    """Capitalised, so that it is no part of a field's path."""
    return BLOCKS.get(block["type"]) if isinstance(block, dict) else type(block).__name__


def _only(*types: str) -> Callable[[Any], Any]:
    """Refuses every block of another type, with the reason a person can act on."""

    def check(block: Any) -> Any:
        if not isinstance(block, dict):
            raise ValueError("a content block must be an object")
        kind = block.get("type")
        if not isinstance(kind, str):
            raise ValueError("a content block needs a 'type'")
        if kind in types:
            return block
        allowed = " or ".join(f"'{name}'" for name in types)
        if kind in ("image", "document"):
            raise ValueError(f"'{kind}' blocks are not supported: the models here read text. Send {allowed} blocks")
        raise ValueError(f"'{kind[:64]}' blocks are not supported here. Send {allowed} blocks")

    return check


PlainText = Annotated[TextBlock, BeforeValidator(_only("text"))]


class ToolResultBlock(Block):
    """What a tool answered. ``is_error``: it failed."""

    type: Literal["tool_result"]
    tool_use_id: CallId
    content: str | list[PlainText] | None = None
    is_error: bool | None = None


UserBlock = Annotated[
    Annotated[TextBlock, Tag("TextBlock")] | Annotated[ToolResultBlock, Tag("ToolResultBlock")],
    Discriminator(_tag),
    BeforeValidator(_only("text", "tool_result")),
]
AssistantBlock = Annotated[
    Annotated[TextBlock, Tag("TextBlock")]
    | Annotated[ThinkingBlock, Tag("ThinkingBlock")]
    | Annotated[RedactedThinkingBlock, Tag("RedactedThinkingBlock")]
    | Annotated[ToolUseBlock, Tag("ToolUseBlock")],
    Discriminator(_tag),
    BeforeValidator(_only("text", "thinking", "redacted_thinking", "tool_use")),
]


class UserTurn(Model):
    role: Literal["user"]
    content: str | list[UserBlock]


class AssistantTurn(Model):
    role: Literal["assistant"]
    content: str | list[AssistantBlock]


class SystemTurn(Model):
    """Instructions in the middle of a conversation."""

    role: Literal["system"]
    content: str | list[PlainText]


TURNS: dict[Any, str] = {"user": "UserTurn", "assistant": "AssistantTurn", "system": "SystemTurn"}


def _turn(turn: Any) -> str | None:
    return TURNS[turn["role"]] if isinstance(turn, dict) else type(turn).__name__


def _known_role(turn: Any) -> Any:
    if not isinstance(turn, dict):
        raise ValueError("a message must be an object with 'role' and 'content'")
    role = turn.get("role")
    if not isinstance(role, str) or role not in TURNS:
        raise ValueError("a message needs a 'role', which is 'user', 'assistant' or 'system'")
    return turn


Turn = Annotated[
    Annotated[UserTurn, Tag("UserTurn")]
    | Annotated[AssistantTurn, Tag("AssistantTurn")]
    | Annotated[SystemTurn, Tag("SystemTurn")],
    Discriminator(_turn),
    BeforeValidator(_known_role),
]


class Tool(Model):
    """A tool of the client. ``input_schema``: JSON schema of its input."""

    type: Literal["custom"] | None = None
    name: FunctionName
    description: str | None = None
    input_schema: dict[str, Any]
    input_examples: list[dict[str, Any]] | None = None
    strict: bool | None = None
    cache_control: CacheControl = None
    eager_input_streaming: bool | None = None  # input is always streamed as the model writes it
    defer_loading: Literal[False] | None = None
    allowed_callers: list[Literal["direct"]] | None = None

    @field_validator("input_schema")
    @classmethod
    def _object(cls, schema: dict[str, Any]) -> dict[str, Any]:
        if schema.get("type", "object") != "object":
            raise ValueError("the schema must be of type 'object'")
        return schema


def _own_tool(tool: Any) -> Any:
    if isinstance(tool, dict) and (kind := tool.get("type")) not in (None, "custom"):
        raise ValueError(
            f"tools of type '{str(kind)[:64]}' are Anthropic's own and are not served here. Define a tool with 'name', "
            "'description' and 'input_schema'"
        )
    return tool


class ToolChoice(Model):
    """How tools are to be used. ``any``: some tool must be; ``tool``: the one that ``name`` says."""

    type: Literal["auto", "any", "tool", "none"]
    name: FunctionName | None = None
    disable_parallel_tool_use: bool | None = None

    @model_validator(mode="after")
    def _named(self) -> ToolChoice:
        if self.type == "tool" and self.name is None:
            raise ValueError("a tool choice of type 'tool' needs 'name'")
        return self


class Thinking(Model):
    """Whether the model thinks before it answers. How much is the model's own decision."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Field(ge=1024, le=INT32_MAX)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Model):
    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(Model):
    """``effort`` is advice that Qwen's models do not understand."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Metadata(Model):
    user_id: str | None = None


class CountRequest(Model):
    """The body of POST /v1/messages/count_tokens."""

    model: str
    messages: Annotated[list[Turn], Field(min_length=1)]
    system: str | list[PlainText] | None = None
    tools: list[Annotated[Tool, BeforeValidator(_own_tool)]] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl = None
    # Known, and here only with the values that ask for nothing: UNSERVED refuses all others.
    container: Any = None
    mcp_servers: Any = None
    context_management: Any = None
    inference_geo: Any = None
    speed: Any = None
    output_format: Any = None


class MessagesRequest(CountRequest):
    """The body of POST /v1/messages."""

    max_tokens: Annotated[int, Field(ge=1, le=INT32_MAX)]
    stream: bool | None = None
    stop_sequences: Annotated[list[StopSequence], Field(max_length=64)] | None = None
    temperature: Probability | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Field(ge=0, le=INT32_MAX)] | None = None
    metadata: Metadata | None = None
    # These ask for nothing here: they are for Anthropic's billing, profiles and cache reports.
    service_tier: Literal["auto", "standard_only"] | None = None
    user_profile_id: str | None = None
    diagnostics: Any = None


def parse_messages(body: bytes) -> MessagesRequest:
    """The checked request. RequestError that names the field."""
    return parse(MessagesRequest, body, unserved=UNSERVED)


def parse_count(body: bytes) -> CountRequest:
    """The checked request for a count. RequestError that names the field."""
    return parse(CountRequest, body, unserved=UNSERVED)
