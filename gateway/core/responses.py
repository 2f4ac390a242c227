"""A request of the Responses API → the chat completion that answers it, and errors about the one as errors about the
other.

It knows both APIs' fields. It must not know templates nor replies: what comes out is a body that ``core.schema.chat``
checks like any client's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.core.errors import RequestError
from gateway.core.schema.response_items import CallItem, CallOutputItem, Content, MessageItem, ReasoningItem
from gateway.core.schema.responses import AllowedTools, Extensions, FunctionTool, NamedFunction, ResponsesRequest

# Fields that mean the same under the same name.
SAME = ("model", "stream", "temperature", "top_p", "parallel_tool_calls", *Extensions.model_fields)
# Fields of a chat → where this API has them. Longer paths of messages and tools are added as they are made.
PLACES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format.json_schema": "text.format",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "tool_choice.function": "tool_choice",
    "logprobs": "include",
}
STEP = re.compile(r"\.?[^.\[]+$|\[\d+\]$")
QUOTED = re.compile(r"'([a-z_][a-z0-9_.\[\]]*)'")


@dataclass(frozen=True, slots=True)
class Translation:
    """The chat completion's body. ``places``: paths in it → paths in the request it was made of."""

    body: dict[str, Any]
    places: dict[str, str]

    def field(self, path: str) -> str:
        """The request's own path of a field of the chat; the same where both have it."""
        head, tail = path, ""
        while head:
            if head in self.places:
                return self.places[head] + tail
            step = STEP.search(head)
            if step is None:
                break
            head, tail = head[: step.start()], step.group() + tail
        return path

    def renamed(self, error: RequestError) -> RequestError:
        """An error about the chat's body as one about the request."""
        message = QUOTED.sub(lambda quoted: f"'{self.field(quoted.group(1))}'", error.message)
        param = None if error.param is None else self.field(error.param)
        return type(error)(message, param=param, code=error.code)


def translate(request: ResponsesRequest) -> Translation:
    """The chat completion that answers the request. RequestError where the tools it allows are not there."""
    history = _History()
    if request.instructions is not None:
        instructions = {"role": "system", "content": request.instructions}
        history.add(instructions, "instructions", content="instructions")
    if isinstance(request.input, str):
        history.add({"role": "user", "content": request.input}, "input", content="input")
    else:
        for index, item in enumerate(request.input):
            history.push(item, f"input[{index}]")
    body: dict[str, Any] = {name: getattr(request, name) for name in SAME if getattr(request, name) is not None}
    body["messages"] = history.messages()
    places = PLACES | history.places
    for name, value in _fields(request):
        if value is not None:
            body[name] = value
    tools, choice = _tools(request)
    if tools:
        body["tools"] = [_tool(tool) for _, tool in tools]
        for index, (place, _) in enumerate(tools):
            places[f"tools[{index}].function"] = places[f"tools[{index}]"] = f"tools[{place}]"
    if choice is not None:
        body["tool_choice"] = choice
    return Translation(body, places)


def _fields(request: ResponsesRequest) -> Iterator[tuple[str, Any]]:
    yield "max_completion_tokens", request.max_output_tokens
    yield "logprobs", request.logprobs or None
    yield "top_logprobs", request.top_logprobs if request.logprobs else None
    if request.reasoning is not None:
        yield "reasoning_effort", request.reasoning.effort
    if request.text is not None:
        if request.text.verbosity != "medium":
            yield "verbosity", request.text.verbosity
        form = request.text.format
        if form is not None and form.type == "json_schema":
            schema = form.model_dump(include={"name", "description", "schema_", "strict"}, by_alias=True)
            yield "response_format", {"type": form.type, "json_schema": schema}
        elif form is not None:
            yield "response_format", {"type": form.type}


def _tools(request: ResponsesRequest) -> tuple[list[tuple[int, FunctionTool]], Any]:
    """The tools with their places in the request, and the chat's choice. Of tools that are not allowed the model is not
    told: it cannot call what it does not know."""
    tools = [(index, tool) for index, tool in enumerate(request.tools or []) if isinstance(tool, FunctionTool)]
    choice = request.tool_choice
    if isinstance(choice, NamedFunction):
        return tools, {"type": "function", "function": {"name": choice.name}}
    if not isinstance(choice, AllowedTools):
        return tools, choice
    given = {tool.name for _, tool in tools}
    for index, allowed in enumerate(choice.tools):
        if allowed.name not in given:
            param = f"tool_choice.tools[{index}].name"
            raise RequestError(f"Invalid '{param}': '{allowed.name[:64]}' is not among 'tools'.", param=param)
    names = {allowed.name for allowed in choice.tools}
    return [(index, tool) for index, tool in tools if tool.name in names], choice.mode


def _tool(tool: FunctionTool) -> dict[str, Any]:
    known = tool.model_dump(include={"name", "description", "parameters", "strict"}, exclude_none=True)
    return {"type": "function", "function": known}


class _History:
    """Items → messages. Thinking, text and calls of one turn of the assistant are items of their own here, and one
    message there."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self.places: dict[str, str] = {}
        self._turn: dict[str, Any] | None = None  # the assistant's last message, while items may still belong to it

    def add(self, message: dict[str, Any], place: str, *, content: str) -> None:
        """A message that is an item of its own."""
        self._turn = None
        self._messages.append(message)
        self._name("", place)
        self._name(".content", content)

    def push(self, item: object, place: str) -> None:
        if isinstance(item, ReasoningItem):
            self._think(item.text, place)
        elif isinstance(item, CallItem):
            self._call(item, place)
        elif isinstance(item, CallOutputItem):
            message = {"role": "tool", "tool_call_id": item.call_id, "content": _content(item.output)}
            self.add(message, place, content=f"{place}.output")
        elif isinstance(item, MessageItem) and item.role == "assistant":
            self._say(_content(item.content), place)
        elif isinstance(item, MessageItem):
            self.add({"role": item.role, "content": _content(item.content)}, place, content=f"{place}.content")

    def messages(self) -> list[dict[str, Any]]:
        return [
            {**message, "reasoning_content": "\n".join(message["reasoning_content"])}
            if "reasoning_content" in message
            else message
            for message in self._messages
        ]

    def _think(self, text: str, place: str) -> None:
        if not text:  # encrypted, which only OpenAI can read
            return
        self._begun(("reasoning_content",), place).setdefault("reasoning_content", []).append(text)
        self._name(".reasoning_content", place)

    def _say(self, content: str | list[dict[str, Any]], place: str) -> None:
        self._begun(("reasoning_content",), place)["content"] = content
        self._name("", place)
        self._name(".content", f"{place}.content")

    def _call(self, item: CallItem, place: str) -> None:
        calls = self._begun(("reasoning_content", "content", "tool_calls"), place).setdefault("tool_calls", [])
        self._name(f".tool_calls[{len(calls)}]", place)
        self._name(f".tool_calls[{len(calls)}].id", f"{place}.call_id")
        self._name(f".tool_calls[{len(calls)}].function", place)
        function = {"name": item.name, "arguments": item.arguments}
        calls.append({"id": item.call_id, "type": "function", "function": function})

    def _begun(self, before: tuple[str, ...], place: str) -> dict[str, Any]:
        """The turn that goes on, which has nothing but what comes ``before`` in a turn; else a new one."""
        if self._turn is None or not self._turn.keys() <= {"role", *before}:
            self._turn = {"role": "assistant"}
            self._messages.append(self._turn)
            self._name("", place)
        return self._turn

    def _name(self, rest: str, place: str) -> None:
        self.places[f"messages[{len(self._messages) - 1}]{rest}"] = place


def _content(content: Content) -> str | list[dict[str, Any]]:
    """Text of any kind is text in a history."""
    if isinstance(content, str):
        return content
    return [{"type": "text", "text": part.value} for part in content]
