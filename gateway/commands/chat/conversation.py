"""A conversation: what was said, and how the next answer shall be made. Pure; it knows OpenAI's messages."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from gateway.core.errors import SettingsError

OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})  # fields that the chat itself decides
ROLES = ("user", "assistant")


@dataclass(slots=True)
class Conversation:
    """Who talks: ``messages`` alternate between the user and the assistant."""

    model: str
    system: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, str]] = field(default_factory=list)

    def request(self, question: str, *, usage: bool) -> dict[str, Any]:
        """The body that asks. ``usage``: whether the server may be asked to count."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        messages = [*system, *self.messages, {"role": "user", "content": question}]
        body: dict[str, Any] = {"model": self.model, "messages": messages, "stream": True, **self.settings}
        if usage:
            body["stream_options"] = {"include_usage": True}
        return body

    def add(self, question: str, answer: str) -> None:
        self.messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    def undo(self) -> str | None:
        """Takes the last exchange back; its question, or None where there is none."""
        while self.messages:
            message = self.messages.pop()
            if message["role"] == "user":
                return message["content"]
        return None

    def set(self, name: str, value: str) -> None:
        """A field of the request, its value as JSON or as plain text; without a value it is taken out again."""
        if name in OURS:
            raise SettingsError(f"{name!r} is decided by the chat itself.")
        if not value:
            if name not in self.settings:
                raise SettingsError(f"{name!r} is not set. To set it: /set {name} VALUE.")
            del self.settings[name]
            return
        try:
            self.settings[name] = json.loads(value)
        except (ValueError, RecursionError):
            self.settings[name] = value

    def dump(self) -> str:
        """As JSON, for a file."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        document = {"model": self.model, "settings": self.settings, "messages": [*system, *self.messages]}
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def parse_conversation(text: str, model: str) -> Conversation:
    """A conversation from a file: what ``dump`` wrote, or a list of messages alone. ``model``: where the file names
    none. SettingsError says what is wrong with it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"it is no JSON ({exc})") from None
    if isinstance(document, list):
        document = {"messages": document}
    if not isinstance(document, dict) or not isinstance(document.get("messages"), list):
        raise SettingsError('it is neither a list of messages nor an object with "messages"')
    named, settings = document.get("model", model), document.get("settings", {})
    if not isinstance(named, str) or not named or not isinstance(settings, dict):
        raise SettingsError('its "model" must be text, and its "settings" an object')
    loaded = Conversation(named, settings={name: value for name, value in settings.items() if name not in OURS})
    for number, message in enumerate(document["messages"], 1):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise SettingsError(f'message {number} has no text as its "content"')
        role, content = message.get("role"), message["content"]
        if role == "system" and number == 1:
            loaded.system = content
        elif role in ROLES:
            loaded.messages.append({"role": role, "content": content})
        else:
            raise SettingsError(f"message {number} is of role {role!r}, where only user and assistant can be")
    return loaded
