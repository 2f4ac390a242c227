"""Ways to ask a gateway through Anthropic's own client, and what the engine got of it."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
every_route = pytest.mark.parametrize("route", ["direct", "ensemble", "bls"])

WEATHER = {
    "name": "天气",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
CALL = '<tool_call>\n{"name": "天气", "arguments": {"city": "聪明 \\"x\\""}}\n</tool_call>'
CALL_TIME = '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>'


def ask(client: anthropic.Anthropic, script: Script | list[Any], *, stream: bool, **fields: Any) -> Any:
    """The message, as the SDK has it. ``script``: what the engine shall do, or the whole history."""
    turns = messages(script) if isinstance(script, Script) else script
    given: dict[str, Any] = {"model": "direct", "max_tokens": 500, "messages": turns, **fields}
    if not stream:
        return client.messages.create(**given)
    with client.messages.stream(**given) as events:
        return events.get_final_message()


def blocks(message: Any) -> list[dict[str, Any]]:
    """The content, without the fields that the SDK adds."""
    kept = ("type", "text", "thinking", "signature", "id", "name", "input")
    return [{name: value for name, value in block.to_dict().items() if name in kept} for block in message.content]


def seen(triton: ScriptedTriton, tokenizer: TokenizerFolder, tag: str) -> str:
    """The prompt that the engine got."""
    ids = triton.journal.wait_for(tag, "start")["tensors"]["input_ids"]["values"]
    return tokenizer.load().decode(ids[0] if isinstance(ids[0], list) else ids, skip_special_tokens=False)
