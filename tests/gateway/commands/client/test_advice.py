"""Errors say what happened and what to do next, in the chat and on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands.client.advice import explained
from gateway.commands.client.errors import Broken, ClientError, Refused, Unreachable

ANOTHER_KEY = "It does not take this key: give another with --key-file or OPENAI_API_KEY."
ROWS: list[tuple[str, ClientError, dict[str, Any], str, str]] = [
    (
        "no-key",
        Refused(401, "No key.", code="invalid_api_key"),
        {},
        "The server refused (401): No key. It wants a key: give one with --key-file FILE, or set OPENAI_API_KEY.",
        "The server refused (401): No key. It wants a key: give one with --key-file FILE, or set OPENAI_API_KEY.",
    ),
    (
        "wrong-key",
        Refused(401, ""),
        {"key": True},
        "The server answered 401, and no more. " + ANOTHER_KEY,
        "The server answered 401, and no more. " + ANOTHER_KEY,
    ),
    (
        "busy",
        Refused(429, "Too many requests", retry_after=2.1),
        {},
        "The server refused (429): Too many requests. Ask again in 3 s.",
        "The server refused (429): Too many requests. Wait 3 s, then /retry asks again.",
    ),
    (
        "model",
        Refused(404, "No such model.", code="model_not_found"),
        {"models": ["a", "b"]},
        "The server refused (404): No such model. Choose another with --model NAME. It has: a, b.",
        "The server refused (404): No such model. Choose another with /model NAME. It has: a, b.",
    ),
    (
        "path",
        Refused(404, "Not Found"),
        {},
        "The server refused (404): Not Found. Is the base URL right? Most end in /v1.",
        "The server refused (404): Not Found. Is the base URL right? Most end in /v1.",
    ),
    (
        "context",
        Refused(400, "Too long.", code="context_length_exceeded"),
        {},
        "The server refused (400): Too long. Ask with less text.",
        "The server refused (400): Too long. /undo takes the last exchange back, /clear all of them.",
    ),
    (
        "bad-value",
        Refused(400, "'temperature' is hot"),
        {},
        "The server refused (400): 'temperature' is hot.",
        "The server refused (400): 'temperature' is hot. "
        "/set changes what is sent with the question, /undo what was said.",
    ),
    (
        "down",
        Refused(503, "Loading."),
        {},
        "The server refused (503): Loading. Ask again.",
        "The server refused (503): Loading. /retry asks again.",
    ),
    (
        "forbidden",
        Refused(403, "Not for you."),
        {"key": True},
        "The server refused (403): Not for you. Whoever runs the server can allow it, or give you another key.",
        "The server refused (403): Not for you. Whoever runs the server can allow it, or give you another key.",
    ),
    (
        "in-the-stream",
        Refused(200, "The engine died."),
        {},
        "The server broke the answer off: The engine died. Ask again.",
        "The server broke the answer off: The engine died. /retry asks again.",
    ),
    ("broken", Broken("It broke off."), {}, "It broke off. Ask again.", "It broke off. /retry asks again."),
    (
        "unreachable",
        Unreachable("Nobody there.", "Start it."),
        {},
        "Nobody there. Start it.",
        "Nobody there. Start it.",
    ),
]


@pytest.mark.parametrize(
    ("error", "known", "at_shell", "in_chat"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_what_is_said(error: ClientError, known: dict[str, Any], at_shell: str, in_chat: str) -> None:
    known = {"key": False, **known}
    assert explained(error, **known) == at_shell
    assert explained(error, **known, talking=True) == in_chat
