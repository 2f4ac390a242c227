"""Fields of requests that clients send whether a server knows them or not. Pure but for asking."""

from __future__ import annotations

import json
from typing import Any

from gateway.commands.check.chat import choice
from gateway.commands.check.target import Target
from gateway.commands.check.tools import TOOL
from gateway.commands.check.verdict import Check, NotApplicable, check, need, reach

SENT: dict[str, tuple[dict[str, Any], str]] = {
    "user": ({"user": "somebody"}, "Frameworks send who asks."),
    "seed": ({"seed": 1}, "Tests of applications ask for the same answer again."),
    "penalties": ({"frequency_penalty": 0, "presence_penalty": 0}, "Frontends send their sliders, also at 0."),
    "top-p": ({"top_p": 0.9}, "The slider next to temperature."),
    "top-k": ({"top_k": 20}, "Qwen's own advice for sampling names it, so its users send it."),
    "response-format-text": ({"response_format": {"type": "text"}}, "The default, which SDKs may spell out."),
    "store": ({"store": False}, "Current SDKs send it to keep an answer from being stored."),
    "metadata": ({"metadata": {"key": "value"}}, "Tracing tools label requests with it."),
    "reasoning-effort": ({"reasoning_effort": "low"}, "Agents send it to any model."),
    "parallel-tool-calls": ({"parallel_tool_calls": False, "tools": [TOOL]}, "Agent frameworks send it with tools."),
    "unknown": (
        {"a_field_that_nobody_knows": 1},
        "New SDKs are ahead of servers: a 4xx here breaks them at each release.",
    ),
}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "port": {"type": "integer"}},
    "required": ["name", "port"],
    "additionalProperties": False,
}


def accepted(name: str) -> Check:
    """The check that a field does not make the server refuse."""
    fields, why = SENT[name]

    def run(target: Target) -> None:
        target.chat(max_tokens=4, **fields).ok()

    return Check(f"fields.{name}", why, run)


@check("fields.json-object", "response_format that is taken and not kept is found by a parser far away.")
def json_object(target: Target) -> None:
    _formed(target, {"type": "json_object"})


@check("fields.json-schema", "Structured output is parsed without looking.")
def json_schema(target: Target) -> None:
    value = _formed(target, {"type": "json_schema", "json_schema": {"name": "server", "schema": SCHEMA}})
    reach(value, "name", kind=str)
    reach(value, "port", kind=int)
    need(set(value) == {"name", "port"}, "the schema's two keys and no other", value)


def _formed(target: Target, form: dict[str, Any]) -> dict[str, Any]:
    """The answer's JSON object."""
    question = "Give a server's name and port as JSON."
    reply = target.chat(question, max_tokens=400, response_format=form).offered(str(form["type"])).json
    if reach(choice(reply), "finish_reason") == "length":
        raise NotApplicable("the answer was longer than 400 tokens")
    text = reach(choice(reply), "message", "content", kind=str)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    need(isinstance(value, dict), "an answer that is a JSON object", text)
    found: dict[str, Any] = value
    return found


CHECKS = (*(accepted(name) for name in SENT), json_object, json_schema)
