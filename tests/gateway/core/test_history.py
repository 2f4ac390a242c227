from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.core.errors import RequestError
from gateway.core.history import template_messages, template_tools
from tests.gateway.histories import HISTORIES, THINKING, History


@pytest.mark.parametrize("history", [*HISTORIES, *THINKING], ids=lambda history: history.name)
def test_messages_are_as_templates_want_them(history: History) -> None:
    sent = copy.deepcopy(history.sent)
    wanted = history.sent if history.wanted is None else history.wanted
    assert list(template_messages(sent, reasoning=True)) == wanted
    assert sent == history.sent  # and the client's are left alone


def assistant(content: str | None, **fields: Any) -> dict[str, Any]:
    (message,) = template_messages([{"role": "assistant", "content": content, **fields}], reasoning=True)
    return message


@pytest.mark.parametrize(
    ("content", "thought", "answer"),
    [
        ("<think>a</think>b", "a", "b"),
        ("<think>\n\na\n\n</think>\n\n\nb\n", "a", "b\n"),
        ("\n <think>a</think>b", "a", "b"),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("<think>a", "a", ""),
        ("<think>\n\n</think>\n\n", "", ""),
        ("a\n</think>\n\nb", "a", "b"),
        ("</think>\nb", "", "b"),
        ("a\n</think>", "a", ""),
        ("a </think> b", None, "a </think> b"),
        ("b <think>a</think>", None, "b <think>a</think>"),
        ("say <think>\n</think>\n", None, "say <think>\n</think>\n"),
        ("b", None, "b"),
        ("", None, ""),
    ],
)
def test_thinking_in_the_content(content: str, thought: str | None, answer: str) -> None:
    message = assistant(content)
    assert (message.get("reasoning_content"), message["content"]) == (thought, answer)


def test_thinking_stays_where_the_template_does_not_know_it() -> None:
    sent = {"role": "assistant", "content": "<think>a</think>b"}
    assert template_messages([sent], reasoning=False) == (sent,)


def test_tags_are_no_thinking_elsewhere() -> None:
    assert assistant("<think>a</think>b", reasoning_content="c")["content"] == "<think>a</think>b"
    assert assistant("x", reasoning_content="", reasoning="y")["reasoning_content"] == ""
    sent = {"role": "user", "content": "<think>a</think>b"}
    assert template_messages([sent], reasoning=True) == (sent,)


def calling(*arguments: Any) -> list[dict[str, Any]]:
    calls = [{"id": "i", "type": "function", "function": {"name": "f", "arguments": given}} for given in arguments]
    return [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": calls}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{}", {}),
        ("", {}),
        (" \n", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ('{"a": {"b": [1, 2.0, null, "中"]}}', {"a": {"b": [1, 2.0, None, "中"]}}),
        ('{"b": 1, "a": 2}', {"b": 1, "a": 2}),
    ],
    ids=["object", "empty", "space", "none", "mapping", "nested", "order"],
)
def test_arguments(given: Any, expected: dict[str, Any]) -> None:
    arguments = template_messages(calling(given), reasoning=False)[1]["tool_calls"][0]["function"]["arguments"]
    assert arguments == expected
    assert list(arguments) == list(expected)


@pytest.mark.parametrize(
    "given",
    ["{", "[1]", "null", '"a"', "1", "{'a': 1}", '{"a": NaN}', '{"a": Infinity}', '{"a":' * 100_000, "1" * 5000],
    ids=["open", "list", "null", "string", "number", "python", "nan", "infinity", "deep", "long"],
)
def test_arguments_that_are_no_object(given: str) -> None:
    with pytest.raises(RequestError) as caught:
        template_messages(calling("{}", given), reasoning=False)
    assert caught.value.param == "messages[1].tool_calls[1].function.arguments"
    assert len(caught.value.message) < 500


def test_a_part_that_is_no_text() -> None:
    content = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "x"}}]
    with pytest.raises(RequestError) as caught:
        template_messages([{"role": "user", "content": content}], reasoning=False)
    assert caught.value.param == "messages[0].content[1]"


def test_a_function_without_parameters_has_none() -> None:
    given = [{"type": "function", "function": {"name": "f", "description": "d"}}]
    (tool,) = template_tools(given)
    assert tool["function"] == {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    assert "parameters" not in given[0]["function"]  # type: ignore[operator]
    schema = {"type": "object", "properties": {"a": {}}}
    same = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert template_tools([same]) == (same,)
