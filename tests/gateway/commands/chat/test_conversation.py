"""Conversations as values: what is asked, set, taken back, and read from files."""

from __future__ import annotations

import json

import pytest

from gateway.commands.chat.conversation import Conversation, parse_conversation
from gateway.core.errors import SettingsError


def test_a_request_has_all_that_was_said() -> None:
    talk = Conversation("qwen", system="Be brief.")
    talk.add("Hi", "Hello!")
    talk.set("temperature", "0.2")
    assert talk.request("And now?", usage=True) == {
        "model": "qwen",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "And now?"},
        ],
        "stream": True,
        "temperature": 0.2,
        "stream_options": {"include_usage": True},
    }
    assert "stream_options" not in Conversation("qwen").request("Hi", usage=False)


SET = [
    ("temperature", "0.2", 0.2),
    ("stop", '["a", "b"]', ["a", "b"]),
    ("stop", "END", "END"),
    ("chat_template_kwargs", '{"enable_thinking": false}', {"enable_thinking": False}),
    ("logprobs", "true", True),
    ("user", "[" * 100_000, "[" * 100_000),
]


@pytest.mark.parametrize(("name", "text", "value"), SET, ids=[f"{name}-{text[:20]}" for name, text, _ in SET])
def test_fields_are_json_or_text(name: str, text: str, value: object) -> None:
    talk = Conversation("qwen")
    talk.set(name, text)
    assert talk.settings == {name: value}
    talk.set(name, "")
    assert talk.settings == {}


@pytest.mark.parametrize(
    ("name", "text"), [("model", "x"), ("messages", "[]"), ("stream", "false"), ("n", "2"), ("seed", "")]
)
def test_what_cannot_be_set(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Conversation("qwen").set(name, text)


def test_undo_takes_back_one_exchange() -> None:
    talk = Conversation("qwen")
    assert talk.undo() is None
    talk.add("one", "1")
    talk.add("two", "2")
    assert talk.undo() == "two"
    assert talk.messages == [{"role": "user", "content": "one"}, {"role": "assistant", "content": "1"}]


def test_a_file_brings_it_all_back() -> None:
    talk = Conversation("qwen", system="Be brief.", settings={"temperature": 0})
    talk.add("你好\n\x1b", "Hello \ud800!")
    assert parse_conversation(talk.dump(), "other") == talk


def test_a_list_of_messages_is_one_too() -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert parse_conversation(json.dumps(messages), "qwen") == Conversation("qwen", "s", {}, messages[1:])


WRONG = [
    ("", "no JSON"),
    ("[" * 100_000, "no JSON"),
    ("5", "neither"),
    ("{}", "neither"),
    ('{"messages": {}}', "neither"),
    ('{"messages": [5]}', "message 1 has no text"),
    ('{"messages": [{"role": "user", "content": ["x"]}]}', "message 1 has no text"),
    ('[{"role": "user", "content": "x"}, {"role": "system", "content": "x"}]', "message 2 is of role 'system'"),
    ('[{"role": 5, "content": "x"}]', "message 1 is of role 5"),
    ('{"messages": [], "model": 5}', '"model" must be text'),
    ('{"messages": [], "settings": []}', '"settings"'),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[text[:40] for text, _ in WRONG])
def test_files_that_are_no_conversation(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_conversation(text, "qwen")
    assert said in caught.value.message
