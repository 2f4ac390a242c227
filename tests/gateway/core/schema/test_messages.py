from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import RequestError, UnsupportedField
from gateway.core.schema.base import ignored
from gateway.core.schema.messages import MessagesRequest, parse_count, parse_messages

HELLO = [{"role": "user", "content": "hi"}]
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "q", "max_tokens": 9, "messages": HELLO, **fields}).encode()


def said(*blocks: Any, role: str = "user") -> bytes:
    return body(messages=[{"role": role, "content": list(blocks)}])


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(body()).items() if key != name}).encode()


REFUSED = [
    pytest.param(b"{", None, "not valid JSON", id="broken-json"),
    pytest.param(b"[]", None, "must be a JSON object", id="a-list"),
    pytest.param(b"[" * 100_000, None, "not valid JSON", id="deep-nesting"),
    pytest.param(without("model"), "model", "field required", id="no-model"),
    pytest.param(without("max_tokens"), "max_tokens", "field required", id="no-max-tokens"),
    pytest.param(without("messages"), "messages", "field required", id="no-messages"),
    pytest.param(body(messages=[]), "messages", "at least 1", id="empty-messages"),
    pytest.param(body(messages="hi"), "messages", "array", id="messages-as-text"),
    pytest.param(body(messages=["hi"]), "messages[0]", "object", id="message-as-text"),
    pytest.param(body(messages=[{"role": "tool", "content": ""}]), "messages[0]", "'assistant'", id="a-tool-role"),
    pytest.param(body(messages=[{"content": "x"}]), "messages[0]", "'role'", id="no-role"),
    pytest.param(body(messages=[{"role": ["user"], "content": "x"}]), "messages[0]", "'role'", id="role-as-list"),
    pytest.param(body(messages=[{"role": "user"}]), "messages[0].content", "required", id="no-content"),
    pytest.param(
        body(messages=[{"role": "user", "content": None}]), "messages[0].content", "string", id="null-content"
    ),
    pytest.param(said("hi"), "messages[0].content[0]", "object", id="block-as-text"),
    pytest.param(said({"text": "hi"}), "messages[0].content[0]", "'type'", id="block-without-type"),
    pytest.param(said({"type": "text"}), "messages[0].content[0].text", "required", id="text-without-text"),
    pytest.param(said({"type": "text", "text": 3}), "messages[0].content[0].text", "string", id="text-as-number"),
    pytest.param(
        said({"type": "image", "source": {"type": "url", "url": "x"}}),
        "messages[0].content[0]",
        "'image' blocks are not supported: the models here read text",
        id="an-image",
    ),
    pytest.param(
        said({"type": "text", "text": ""}, {"type": "document", "source": {}}),
        "messages[0].content[1]",
        "'document' blocks",
        id="a-document",
    ),
    pytest.param(
        said({"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}}, role="assistant"),
        "messages[0].content[0]",
        "'server_tool_use' blocks are not supported",
        id="a-server-tools-use",
    ),
    pytest.param(
        said({"type": "tool_use", "id": "x", "name": "f", "input": {}}),
        "messages[0].content[0]",
        "'tool_use' blocks are not supported here",
        id="a-call-by-the-user",
    ),
    pytest.param(
        said({"type": "tool_use", "id": "x", "name": "f", "input": "{}"}, role="assistant"),
        "messages[0].content[0].input",
        "object",
        id="input-as-text",
    ),
    pytest.param(
        said({"type": "tool_result", "content": "x"}),
        "messages[0].content[0].tool_use_id",
        "required",
        id="a-result-of-nothing",
    ),
    pytest.param(
        said({"type": "tool_result", "tool_use_id": "x", "content": [{"type": "image", "source": {}}]}),
        "messages[0].content[0].content[0]",
        "'image' blocks",
        id="an-image-as-result",
    ),
    pytest.param(body(system=[{"type": "image"}]), "system[0]", "'image' blocks", id="an-image-as-system"),
    pytest.param(body(system=3), "system", "string", id="system-as-number"),
    pytest.param(body(max_tokens=0), "max_tokens", "greater than or equal to 1", id="no-tokens"),
    pytest.param(body(max_tokens="9"), "max_tokens", "integer", id="number-in-a-string"),
    pytest.param(body(temperature=1.1), "temperature", "less than or equal to 1", id="too-hot"),
    pytest.param(body(top_p=-0.1), "top_p", "greater than or equal to 0", id="top-p"),
    pytest.param(body(top_k=-1), "top_k", "greater than or equal to 0", id="top-k"),
    pytest.param(body(stop_sequences="x"), "stop_sequences", "array", id="stop-as-text"),
    pytest.param(body(stop_sequences=[""]), "stop_sequences[0]", "at least 1 character", id="empty-stop"),
    pytest.param(body(stop_sequences=["x"] * 65), "stop_sequences", "at most 64", id="too-many-stops"),
    pytest.param(body(stream="yes"), "stream", "boolean", id="stream-as-text"),
    pytest.param(body(tools=[{"name": "f"}]), "tools[0].input_schema", "required", id="no-input-schema"),
    pytest.param(body(tools=[TOOL | {"name": "f g"}]), "tools[0].name", "pattern", id="name-with-a-space"),
    pytest.param(
        body(tools=[TOOL | {"input_schema": {"type": "array"}}]), "tools[0].input_schema", "object", id="input-as-array"
    ),
    pytest.param(
        body(tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}]),
        "tools[1]",
        "'web_search_20250305' are Anthropic's own",
        id="a-server-tool",
    ),
    pytest.param(
        body(tools=[{"type": "bash_20250124", "name": "bash"}]), "tools[0]", "'bash_20250124'", id="anthropics-bash"
    ),
    pytest.param(body(tools=[TOOL | {"defer_loading": True}]), "tools[0].defer_loading", "False", id="deferred-tool"),
    pytest.param(body(tool_choice="auto"), "tool_choice", "object", id="choice-as-text"),
    pytest.param(body(tool_choice={"type": "required"}), "tool_choice.type", "'any'", id="openais-choice"),
    pytest.param(body(tool_choice={"type": "tool"}), "tool_choice", "needs 'name'", id="choice-without-name"),
    pytest.param(body(thinking={"type": "between_tools"}), "thinking.type", "'adaptive'", id="thinking-between-tools"),
    pytest.param(
        body(thinking={"type": "enabled", "budget_tokens": 100}), "thinking.budget_tokens", "1024", id="small-budget"
    ),
    pytest.param(
        body(output_config={"format": {"type": "json_schema"}}),
        "output_config.format.schema",
        "required",
        id="format-without-schema",
    ),
]


@pytest.mark.parametrize(("raw", "param", "message"), REFUSED)
def test_refused_with_the_field_named(raw: bytes, param: str | None, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        parse_messages(raw)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("container", "container_1"),
        ("mcp_servers", [{"type": "url", "url": "x", "name": "y"}]),
        ("context_management", {"edits": [{"type": "clear_tool_uses_20250919"}]}),
        ("inference_geo", "eu"),
        ("speed", "fast"),
        ("output_format", {"type": "json_schema", "schema": {}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_served_is_refused_and_never_dropped(field: str, value: object) -> None:
    for parse in (parse_messages, parse_count):
        with pytest.raises(UnsupportedField) as caught:
            parse(body(**{field: value}))
        assert caught.value.param == field


ACCEPTED = [
    pytest.param(
        {
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t", "signature": "s"},
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "text", "text": "a", "citations": None},
                        {"type": "tool_use", "id": "x", "name": "f", "input": {}, "caller": {"type": "direct"}},
                    ],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]},
                {"role": "system", "content": "be brief"},
            ],
            "tools": [TOOL | {"type": "custom", "description": "d", "eager_input_streaming": True, "strict": True}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "thinking": {"type": "adaptive", "display": "omitted"},
            "output_config": {"effort": "high"},
            "metadata": {"user_id": "u"},
            "service_tier": "auto",
            "stream": True,
        },
        id="what-coding-agents-send",
    ),
    pytest.param(
        {
            "container": None,
            "mcp_servers": [],
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "inference_geo": None,
            "speed": "standard",
            "diagnostics": {"previous_message_id": None},
        },
        id="fields-that-ask-for-nothing",
    ),
    pytest.param({"temperature": 1, "top_p": 1, "top_k": 0, "stop_sequences": None, "tools": []}, id="edges"),
]


@pytest.mark.parametrize("fields", ACCEPTED)
def test_accepted_and_all_of_it_known(fields: dict[str, Any]) -> None:
    request = parse_messages(body(**fields))
    assert request.model == "q"
    assert ignored(request) == ()


def test_a_count_needs_no_max_tokens_and_ignores_what_it_does_not_know() -> None:
    request = parse_count(body(temperature=3))
    assert not isinstance(request, MessagesRequest)
    assert set(ignored(request)) == {"max_tokens", "temperature"}


def test_unknown_fields_are_told_apart() -> None:
    request = parse_messages(body(new=1, messages=[{"role": "user", "content": "x", "name": "n"}]))
    assert set(ignored(request)) == {"new", "messages[].name"}
