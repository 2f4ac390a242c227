"""Messages as OpenAI's clients send them → messages as chat templates want them. Pure.

It knows both shapes. It must not know any template, nor tokens: strings stay as they are, whatever is written in them.

Templates were written for messages whose content is a text, whose arguments are a mapping, and whose thinking stands in
a field of its own; on what clients send instead they fail, or print the wrong thing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from gateway.core.errors import RequestError

_NO_PARAMETERS = {"type": "object", "properties": {}}
# The end of thinking whose beginning the generation prompt wrote: an answer of Qwen3-Thinking-2507, sent back unsplit.
_CLOSED = re.compile(r"(?:^|\n)</think>(?:\n|$)")


def template_messages(messages: Sequence[Mapping[str, Any]], *, reasoning: bool) -> tuple[dict[str, Any], ...]:
    """The messages a template renders. ``reasoning``: it knows ``reasoning_content``, so thinking that a client left in
    an assistant's content is moved there. RequestError names the arguments that are no JSON object."""
    return tuple(_message(message, f"messages[{i}]", reasoning) for i, message in enumerate(messages))


def template_tools(tools: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The tools a template renders: a function without parameters gets the schema that says so, which some expect."""
    return tuple(
        {**tool, "function": {**tool["function"], "parameters": tool["function"].get("parameters") or _NO_PARAMETERS}}
        for tool in tools
    )


def _message(message: Mapping[str, Any], where: str, reasoning: bool) -> dict[str, Any]:
    role = "system" if message["role"] == "developer" else message["role"]
    content = _text(message.get("content"), f"{where}.content")
    made: dict[str, Any] = {"role": role, "content": content}
    for name in ("name", "tool_call_id"):
        if message.get(name) is not None:
            made[name] = message[name]
    if role != "assistant":
        return made
    made["content"] = content = content or message.get("refusal") or ""
    thought = message.get("reasoning_content")
    if thought is None:
        thought = message.get("reasoning")
    if thought is None and reasoning:
        thought, made["content"] = _split(content)
    if thought is not None:
        made["reasoning_content"] = thought
    if calls := message.get("tool_calls"):
        made["tool_calls"] = [_call(call, f"{where}.tool_calls[{j}]") for j, call in enumerate(calls)]
    return made


def _text(content: Any, where: str) -> str:
    """A content as one text. Parts follow each other without anything between them."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for i, part in enumerate(content):
        text = part.get(part.get("type"))
        if part.get("type") not in ("text", "refusal") or not isinstance(text, str):
            raise RequestError(f"Only parts of type 'text' can be read, unlike '{where}[{i}]'.", param=f"{where}[{i}]")
        texts.append(text)
    return "".join(texts)


def _split(content: str) -> tuple[str | None, str]:
    """Thinking and answer, with the newlines around them taken off as Qwen3's template does. None: no thinking.

    Only what stands where the model writes its thinking is thinking: tags further on are text about tags.
    """
    begun = content.lstrip()
    if begun.startswith("<think>"):
        thought, _, answer = begun.removeprefix("<think>").partition("</think>")
        return thought.strip("\n"), answer.lstrip("\n")
    if "<think>" not in content and (end := _CLOSED.search(content)):
        return content[: end.start()].strip("\n"), content[end.end() :].lstrip("\n")
    return None, content


def _call(call: Mapping[str, Any], where: str) -> dict[str, Any]:
    function = call["function"]
    arguments = _arguments(function.get("arguments"), f"{where}.function.arguments")
    made = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return made if call.get("id") is None else {"id": call["id"], **made}


def _arguments(arguments: Any, where: str) -> dict[str, Any]:
    if isinstance(arguments, Mapping):  # some servers hand them out so, and their clients send them back
        return dict(arguments)
    if arguments is None or not arguments.strip():
        return {}
    try:
        value = json.loads(arguments, parse_constant=_no_number)
    except RecursionError as exc:
        raise RequestError(f"Invalid '{where}': it is nested too deeply.", param=where) from exc
    except ValueError as exc:
        raise RequestError(f"Invalid '{where}': it is no JSON ({exc}).", param=where) from exc
    if not isinstance(value, dict):
        raise RequestError(f"Invalid '{where}': it must be a JSON object.", param=where)
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
