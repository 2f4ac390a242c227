"""Anthropic's Messages → the chat completion that asks for the same, as a plain body with OpenAI's names and the
extensions of this gateway. Pure.

It knows what the blocks and fields mean on both sides. It must not know prompts, tensors or replies: after
``chat_body`` a message goes the way of every chat.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.errors import RequestError
from gateway.core.schema.base import ignored
from gateway.core.schema.messages import (
    AssistantTurn,
    CountRequest,
    MessagesRequest,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolChoice,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    UserTurn,
)
from gateway.core.types import Generate

TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}

# Fields of the chat body → the fields they come from, for errors that are found after the translation.
RENAMED = {
    "stop": "stop_sequences",
    "max_completion_tokens": "max_tokens",
    "parallel_tool_calls": "tool_choice",
    "chat_template_kwargs": "thinking",
    "response_format": "output_config.format",
    "user": "metadata.user_id",
    "continue_final_message": "messages",
    "add_generation_prompt": "messages",
}
TOOL_FIELD = re.compile(r"^(tools\[\d+\])\.function(?:\.(name|description|parameters|strict))?")
MESSAGE_FIELD = re.compile(r"^messages\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Translated:
    """A chat completion's ``body``, and where each of its messages came from."""

    body: dict[str, Any]
    sources: tuple[str, ...]

    def restored(self, error: RequestError) -> RequestError:
        """The error about the body, with the names of the client's own fields."""
        if error.param is None:
            return error
        param = self.source(error.param)
        message = error.message.replace(f"'{error.param}'", f"'{param}'")
        return type(error)(message, param=param, code=error.code)

    def source(self, param: str) -> str:
        """The client's own field behind a field of the body."""
        if (found := MESSAGE_FIELD.match(param)) is not None:
            return self.sources[int(found[1])]
        if (found := TOOL_FIELD.match(param)) is not None:
            name = "input_schema" if found[2] == "parameters" else found[2]
            return f"{found[1]}.{name}" if name else found[1]
        name = re.split(r"[.\[]", param, maxsplit=1)[0]
        return RENAMED.get(name, param)


def chat_body(request: CountRequest) -> Translated:
    """The chat completion that a message, or its count, asks for.

    ``max_tokens`` is no part of it: a chat is refused where the context has no room for all of them, a message ends
    there (see ``capped``).
    """
    messages: list[dict[str, Any]] = []
    sources: list[str] = []
    if request.system:
        messages.append({"role": "system", "content": _texts(request.system)})
        sources.append("system")
    for index, turn in enumerate(request.messages):
        for message in _messages(turn):
            messages.append(message)
            sources.append(f"messages[{index}]")
    body: dict[str, Any] = {"model": request.model, "messages": messages}
    last = messages[-1]
    if last["role"] == "assistant":
        if "tool_calls" in last:
            raise RequestError(
                "The conversation ends with a 'tool_use' block. Send its 'tool_result' in a turn of role 'user'.",
                param=sources[-1],
            )
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.tools:
        body["tools"] = [{"type": "function", "function": _function(tool)} for tool in request.tools]
    if request.tool_choice is not None:
        body |= _tool_choice(request.tool_choice)
    if request.thinking is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.thinking.type != "disabled"}
    if request.output_config is not None and request.output_config.format is not None:
        schema = {"name": "output", "schema": request.output_config.format.schema_, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if isinstance(request, MessagesRequest):
        body |= _sampling(request)
    return Translated(body, tuple(sources))


def capped(generate: Generate, max_tokens: int) -> Generate:
    """At most ``max_tokens``, or what is left of the context. Clients of this API ask for tens of thousands of tokens
    whatever the model; today's API then ends with ``model_context_window_exceeded`` and does not refuse."""
    return replace(generate, max_tokens=min(generate.max_tokens, max_tokens))


def unheard(request: CountRequest) -> tuple[str, ...]:
    """Paths of fields that change nothing: those nobody here knows, and advice that Qwen has no ears for."""
    names = list(ignored(request))
    if request.thinking is not None and request.thinking.budget_tokens is not None:
        names.append("thinking.budget_tokens")
    if request.output_config is not None and request.output_config.effort is not None:
        names.append("output_config.effort")
    turns = (turn.content for turn in request.messages if not isinstance(turn.content, str))
    if any(isinstance(block, RedactedThinkingBlock) for blocks in turns for block in blocks):
        names.append("messages[].content[].data")
    return tuple(names)


def _messages(turn: Turn) -> Iterator[dict[str, Any]]:
    if isinstance(turn, AssistantTurn):
        yield _assistant(turn)
    elif isinstance(turn, UserTurn):
        yield from _user(turn)
    else:
        yield {"role": "system", "content": _texts(turn.content)}


def _user(turn: UserTurn) -> Iterator[dict[str, Any]]:
    """One message, or where tools answered one of each answer, and one of the text beside them."""
    if isinstance(turn.content, str):
        yield {"role": "user", "content": turn.content}
        return
    results = [block for block in turn.content if isinstance(block, ToolResultBlock)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.tool_use_id, "content": _result(result)}
    texts = [block for block in turn.content if isinstance(block, TextBlock)]
    if texts or not results:
        yield {"role": "user", "content": _texts(texts)}


def _assistant(turn: AssistantTurn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(turn.content, str):
        return message | {"content": turn.content}
    texts = [block for block in turn.content if isinstance(block, TextBlock)]
    if texts:
        message["content"] = _texts(texts)
    thoughts = [block.thinking for block in turn.content if isinstance(block, ThinkingBlock) and block.thinking]
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    calls = [_call(block) for block in turn.content if isinstance(block, ToolUseBlock)]
    if calls:
        message["tool_calls"] = calls
    return message


def _call(block: ToolUseBlock) -> dict[str, Any]:
    arguments = json.dumps(block.input, ensure_ascii=False)
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def _result(block: ToolResultBlock) -> str:
    """A tool's answer as text. Chat templates know no failed calls: the text has to say it."""
    content = block.content or ""
    text = content if isinstance(content, str) else "".join(part.text for part in content)
    return f"Error: {text}" if block.is_error else text


def _texts(content: str | list[TextBlock]) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    return [{"type": "text", "text": block.text} for block in content]


def _function(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = dict(tool.input_schema)
    if tool.input_examples:  # JSON schema has a place for them
        function["parameters"]["examples"] = tool.input_examples
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _tool_choice(choice: ToolChoice) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if choice.type == "tool":
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    else:
        body["tool_choice"] = TOOL_CHOICES[choice.type]
    if choice.disable_parallel_tool_use is not None:
        body["parallel_tool_calls"] = not choice.disable_parallel_tool_use
    return body


def _sampling(request: MessagesRequest) -> dict[str, Any]:
    given = {
        "stream": request.stream,
        "stop": request.stop_sequences or None,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "user": request.metadata.user_id if request.metadata else None,
    }
    return {name: value for name, value in given.items() if value is not None}
