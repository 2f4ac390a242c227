"""JSON schemas in words, for people who read a reference. It knows JSON Schema as Pydantic writes it; it must not know
any body. Names of fields and values stand between backticks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_REF = "#/components/schemas/"

Schema = Mapping[str, Any]


def body_of(operation: Schema) -> Schema | None:
    """The schema of an operation's JSON body."""
    schema: Schema | None = (
        operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    )
    return schema


def fields(schema: Schema) -> Iterator[tuple[str, str, bool]]:
    """Name, type in words, and whether it is needed, of each property."""
    needed = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        yield name, type_of(each), name in needed


def within(value: Any, schemas: Mapping[str, Schema]) -> list[str]:
    """Names of all schemas that a schema leads to, sorted."""
    return sorted(_references(value, schemas, frozenset()))


def short(name: str) -> str:
    """A schema's name without that of the body it belongs to."""
    return name.partition(".")[2] or name


def type_of(schema: Schema) -> str:
    """A schema as a few words."""
    if "$ref" in schema:
        return _code(re.sub(r"^[^.]*\.", "", schema["$ref"].removeprefix(_REF)))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(type_of(each) for each in schema[several] if each.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(_code(f'"{each}"') for each in schema["enum"])
    if "const" in schema:
        return _code(f'"{schema["const"]}"')
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"list of {type_of(items)}" if items else "list"
    return f"{schema.get('type', 'anything')}{_range(schema)}"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _references(value: Any, schemas: Mapping[str, Schema], seen: frozenset[str]) -> frozenset[str]:
    if isinstance(value, Mapping):
        name = str(value.get("$ref", "")).removeprefix(_REF)
        if name and name not in seen:
            seen = _references(schemas[name], schemas, seen | {name})
        for each in value.values():
            seen = _references(each, schemas, seen)
    elif isinstance(value, list):
        for each in value:
            seen = _references(each, schemas, seen)
    return seen


def _range(schema: Schema) -> str:
    """Bounds of a number or of a length; those of machine integers are none."""
    bounds = []
    for word, keys in (
        ("from", ("minimum", "minLength")),
        ("above", ("exclusiveMinimum",)),
        ("to", ("maximum", "maxLength")),
    ):
        for key in keys:
            value = schema.get(key)
            if value is not None and abs(value) < 2**31 - 1:
                bounds.append(f"{word} {value:g}")
    length = " characters" if "minLength" in schema or "maxLength" in schema else ""
    return f", {' '.join(bounds)}{length}" if bounds else ""
