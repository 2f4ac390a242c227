"""Parameter values that were written as bare text, as JSON text of the type that the tool's schema asks for.

It knows JSON schema as far as types go, and must not know the tags around values. The rules:

- A string streams, escaped as it comes. Where the schema allows null beside it, exactly ``null`` is null.
- For other types the text itself is given if it is JSON of an allowed type, else a JSON string of it: a wrong value
  reaches the client rather than none. ``True``, ``False`` and ``None`` count as their JSON words, since the model's
  own template writes them so in history.
- Where nothing is known of the type, JSON of any type but a string is given as it is, all else as a string.

A value that cannot stream is kept up to its end, but no more than ``LIMIT`` characters of it: a longer one is a string.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from gateway.core.parse.tags import WHITESPACE

LIMIT = 1 << 20
SCHEMAS = 256  # parts of a schema that are looked at; one with more says nothing

Kind = Literal["string", "integer", "number", "boolean", "object", "array", "null"]
Kinds = frozenset[str]
STRING: Kinds = frozenset({"string"})
ANY: Kinds = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})
_encode = json.JSONEncoder(ensure_ascii=False).encode
_PYTHON = {"True": "true", "False": "false", "None": "null"}


def parameter_kinds(tool: Mapping[str, Any] | None, name: str) -> Kinds | None:
    """The types that a tool's schema (None: unknown tool) allows for a parameter; None: not known.

    A parameter that the schema does not have is a string.
    """
    properties = tool.get("properties") if tool is not None else None
    if tool is None or not isinstance(properties, Mapping):
        return None
    schema = properties.get(name)
    if schema is None:
        schema = tool.get("additionalProperties")
        if not isinstance(schema, Mapping):
            return STRING
    return _kinds(schema, tool)


def _kinds(schema: object, root: Mapping[str, Any]) -> Kinds | None:
    found: set[str] = set()
    seen: set[int] = set()
    todo: list[tuple[object, bool]] = [(schema, True)]
    while todo:
        part, alone = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if len(seen) > SCHEMAS or not isinstance(part, Mapping):
            return None
        kinds, more = _own(part), _parts(part, root)
        if kinds:
            found |= kinds
        elif more:
            todo += more
        elif alone:
            return None
    return frozenset(found) or None


def _own(schema: Mapping[str, Any]) -> set[str]:
    """Types that a schema names itself."""
    match schema:
        case {"type": str(name)}:
            return {name} & ANY
        case {"type": [*names]}:
            return {name for name in names if isinstance(name, str)} & ANY
        case {"enum": [*values]}:
            return {_kind(value) for value in values}
        case {"const": value}:
            return {_kind(value)}
        case {"properties": _}:
            return {"object"}
        case {"items": _}:
            return {"array"}
    return set()


def _parts(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[tuple[object, bool]]:
    """Schemas that a schema is made of. Of those that hold together, one that names no type says nothing."""
    match schema:
        case {"$ref": str(path)} if path.startswith("#/"):
            return [(_lookup(root, path), True)]
        case {"anyOf": [*parts]} | {"oneOf": [*parts]}:
            return [(part, True) for part in parts]
        case {"allOf": [*parts]}:
            return [(part, False) for part in parts]
    return []


def _lookup(root: Mapping[str, Any], path: str) -> object:
    found: object = root
    for step in path[2:].split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case float():
            return "integer" if value.is_integer() else "number"
        case int():
            return "integer"
        case str():
            return "string"
    return "object" if isinstance(value, dict) else "array"


def quoted(text: str) -> str:
    """JSON text of a string."""
    return _encode(text)


class Value:
    """One value: its text in, JSON text out."""

    __slots__ = ("_held", "_kinds", "_open", "_size")

    def __init__(self, kinds: Kinds | None) -> None:
        self._kinds = kinds
        self._held: list[str] = []
        self._size = 0
        self._open = False  # whether the opening quote was given

    def push(self, text: str) -> str:
        if self._open:
            return quoted(text)[1:-1]
        self._held.append(text)
        self._size += len(text)
        return "" if self._waits() else self._stream()

    def _waits(self) -> bool:
        kinds = self._kinds
        if kinds is None or not kinds <= {"string", "null"}:
            return self._size <= LIMIT
        return "null" in kinds and self._size <= 4 and "null".startswith("".join(self._held))

    def _stream(self) -> str:
        self._open = True
        text = "".join(self._held)
        self._held = []
        return quoted(text)[:-1]

    def end(self) -> str:
        if self._open:
            return '"'
        text = "".join(self._held)
        self._held = []
        return _typed(text, self._kinds)


def _typed(text: str, kinds: Kinds | None) -> str:
    bare = text.strip(WHITESPACE)
    if kinds is not None and "string" not in kinds:
        bare = _PYTHON.get(bare, bare)
    try:
        kind = _kind(json.loads(bare, parse_int=_no_int, parse_constant=_refuse))
    except (ValueError, RecursionError):
        return quoted(text)
    if kind == "string":
        allowed = False
    elif kinds is None:
        allowed = True
    else:
        allowed = kind in kinds or (kind == "integer" and "number" in kinds)
    return bare if allowed else quoted(text)


def _no_int(_: str) -> int:
    """The number does not matter, and making one of a million digits takes minutes."""
    return 0


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
