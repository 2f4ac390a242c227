"""Messages and tools → the text a Qwen3 model reads; an answer → the text it writes.

The same as chat_template.jinja, in Python, because the corpus renders millions of conversations. A test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any

from seedling.exchange import Call, Example

TOOLS_HEAD = "# Tools\n\nThese functions can be called. Each line is one function as JSON:\n<tools>"
TOOLS_TAIL = (
    "\n</tools>\n\nA call is written as JSON with the name of the function and its arguments:\n"
    '<tool_call>\n{"name": <name>, "arguments": <arguments>}\n</tool_call>'
)
NO_THOUGHT = "<think>\n\n</think>\n\n"


def write_calls(calls: tuple[Call, ...]) -> str:
    return "\n".join(
        f'<tool_call>\n{{"name": "{call.name}", "arguments": {json.dumps(call.arguments, ensure_ascii=False)}}}\n</tool_call>'
        for call in calls
    )


def write_answer(example: Example) -> str:
    """What the model is to write after the generation prompt, without the closing mark."""
    text = "\n".join(part for part in (example.answer, write_calls(example.calls)) if part)
    return f"<think>\n{example.thought}\n</think>\n\n{text}" if example.thinking else text


def read(example: Example) -> str:
    """The prompt, up to where the model begins to write."""
    return render(example.messages, example.tools) + ("" if example.thinking else NO_THOUGHT)


def render(messages: tuple[dict[str, Any], ...], tools: tuple[dict[str, Any], ...] = ()) -> str:
    """A history in Qwen3's format, with the opening of the assistant's next turn."""
    out: list[str] = []
    rest = list(messages)
    if tools:
        own = f"{rest[0]['content']}\n\n" if rest[0]["role"] == "system" else ""
        listed = "".join("\n" + json.dumps(tool, ensure_ascii=False) for tool in tools)
        out.append(f"<|im_start|>system\n{own}{TOOLS_HEAD}{listed}{TOOLS_TAIL}<|im_end|>\n")
        rest = rest[1:] if own else rest
    last_query = max((i for i, m in enumerate(rest) if m["role"] == "user"), default=len(rest) - 1)
    for index, message in enumerate(rest):
        role, content = message["role"], message.get("content") or ""
        if role == "tool":
            first = index == 0 or rest[index - 1]["role"] != "tool"
            last = index == len(rest) - 1 or rest[index + 1]["role"] != "tool"
            out.append(
                f"{'<|im_start|>user' if first else ''}\n<tool_response>\n{content}\n</tool_response>{'<|im_end|>' if last else ''}"
            )
            out.append("\n" if last else "")
            continue
        if role == "assistant":
            thought = message.get("reasoning_content", "")
            if index > last_query and (thought or index == len(rest) - 1):
                content = f"<think>\n{thought}\n</think>\n\n{content}"
            calls = tuple(
                Call(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls", ())
            )
            if calls:
                content += ("\n" if message.get("content") else "") + write_calls(calls)
        out.append(f"<|im_start|>{role}\n{content}<|im_end|>\n")
    out.append("<|im_start|>assistant\n")
    return "".join(out)
