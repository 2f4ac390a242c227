"""``config.pbtxt`` as people leave it: read even while ``${…}`` of the official templates is unfilled.

Knows protobuf's text format and the template's placeholders, and nothing of what a model means. A placeholder
outside quotes makes the file unreadable for Triton; here it is read as nothing, and remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

FILE = "config.pbtxt"
TRUE = frozenset({"true", "1", "yes", "t", "y", "on"})

_WORDS = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<comment>\#[^\n]*)|(?P<bare>\$\{[^}\n]*\}?)"""
)
_NAME = re.compile(r"\$\{([^}\n]*)\}?")
_FIELD = re.compile(r"(\w+)\s*:?\s*\[?[^\[\]{}:]*$")
_KEY = re.compile(r"key\s*:\s*[\"']([^\"']*)[\"']")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A ``${name}`` that nobody filled. ``field`` is the parameter it belongs to, else the field of ModelConfig."""

    name: str
    field: str
    line: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class Config:
    """One model's configuration, as far as it can be read. ``error`` is what protobuf says about the rest."""

    folder: str
    message: Any
    path: Path | None = None
    placeholders: tuple[Placeholder, ...] = ()
    error: str | None = None
    _unfilled: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def name(self) -> str:
        return str(self.message.name) or self.folder

    @property
    def batch_size(self) -> int | None:
        return None if "max_batch_size" in self._unfilled else int(self.message.max_batch_size)

    @property
    def decoupled(self) -> bool | None:
        return None if "decoupled" in self._unfilled else bool(self.message.model_transaction_policy.decoupled)

    @property
    def instances(self) -> int | None:
        """Of all groups together; a group that names no count has one."""
        if "count" in self._unfilled:
            return None
        return sum(group.count or 1 for group in self.message.instance_group) or 1

    @property
    def backend(self) -> str:
        return str(self.message.backend)

    @property
    def steps(self) -> tuple[Any, ...]:
        return tuple(self.message.ensemble_scheduling.step)

    def parameter(self, name: str) -> str | None:
        """The text of a parameter; None where it is absent, empty, or a placeholder that was not filled."""
        if name not in self.message.parameters:
            return None
        text = str(self.message.parameters[name].string_value).strip()
        return None if not text or "${" in text else text

    def on(self, name: str) -> bool:
        """Whether a parameter is given, and is true."""
        return (self.parameter(name) or "").lower() in TRUE


def read(folder: Path) -> Config:
    """The configuration in a model's folder. A file that cannot be read is a Config with an error."""
    path = folder / FILE
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Config(folder.name, model_config_pb2.ModelConfig(), path, error=str(error))
    return parse(text, folder.name, path)


def parse(text: str, folder: str, path: Path | None = None) -> Config:
    readable, placeholders = _without_placeholders(text)
    message, error = model_config_pb2.ModelConfig(), None
    try:
        text_format.Parse(readable, message)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as failure:
        error = str(failure) or type(failure).__name__
    unfilled = frozenset(each.field for each in placeholders if not each.quoted)
    return Config(folder, message, path, placeholders, error, unfilled)


def _without_placeholders(text: str) -> tuple[str, tuple[Placeholder, ...]]:
    """The text with 0 for each bare placeholder (a number, a boolean and an enum may all be 0), and all of them."""
    parts, found, end = [], [], 0
    for match in _WORDS.finditer(text):
        if match["comment"]:
            continue
        before, line = text[: match.start()], text.count("\n", 0, match.start()) + 1
        owner = _owner(before[-400:])
        found += [Placeholder(name, owner, line, match["bare"] is None) for name in _NAME.findall(match[0])]
        if match["bare"]:
            parts += [text[end : match.start()], "0"]
            end = match.end()
    return "".join([*parts, text[end:]]), tuple(found)


def _owner(before: str) -> str:
    match = _FIELD.search(before)
    field = match[1] if match else ""
    if field != "string_value":
        return field
    keys = _KEY.findall(before)
    return keys[-1] if keys else field
