"""reference/api.md: every endpoint and every field, from the OpenAPI description that the gateway itself gives out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.gate import Gate
from gateway.http.answer import EndpointSettings
from gateway.http.app import create_app
from gateway.http.closing import Closing
from gateway.metrics import Metrics
from gateway.settings.keys import KeySettings
from scripts.docs.table import code, table

INTRODUCTION = """\
# HTTP API

Every endpoint, as `GET /openapi.json` of a running gateway describes it; `GET /docs` shows the same to try out. What each field needs of the
model is in [capabilities](capabilities.md), what may go wrong in [errors](errors.md).

"""
FIELDS = ("field", "type", "needed")
_REF = "#/components/schemas/"


def document() -> Mapping[str, Any]:
    """The OpenAPI description. Only routes are looked at, so nothing that serves is made."""
    nothing: Any = None
    gate = Gate(KeySettings(), lambda reason: None)
    return create_app(
        nothing, nothing, Metrics(), EndpointSettings(1, 1, ("reasoning_content",)), Closing(), gate
    ).openapi()


def page() -> str:
    """The whole page."""
    described = document()
    schemas = described["components"]["schemas"]
    parts = [INTRODUCTION]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation(method.upper(), path, operation, schemas))
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parts = [f"## {method} {path}\n", operation.get("description", "") + "\n"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        parts.append(body.get("description", "") + "\n")
        parts.append(_fields(body))
        within = sorted(_references(body, schemas))
        if within:
            parts.append('??? note "Objects in this body"\n')
        for name in within:
            short = name.partition(".")[2] or name
            schema = schemas[name]
            inner = f"**{short}**\n\n{schema.get('description', '')}\n\n{_fields(schema)}"
            parts.append("\n".join(f"    {line}" if line else "" for line in inner.splitlines()) + "\n")
    return "\n".join(parts)


def _fields(schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = [
        (code(name), _type(each), "yes" if name in needed else "")
        for name, each in schema.get("properties", {}).items()
    ]
    return table(FIELDS, rows) if rows else "Any object.\n"


def _references(value: Any, schemas: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names of all schemas that a schema leads to."""
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


def _type(schema: Mapping[str, Any]) -> str:
    """A schema as a few words."""
    if "$ref" in schema:
        return code(re.sub(r"^[^.]*\.", "", schema["$ref"].removeprefix(_REF)))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[several] if each.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(code(f'"{each}"') for each in schema["enum"])
    if "const" in schema:
        return code(f'"{schema["const"]}"')
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"list of {_type(items)}" if items else "list"
    return f"{schema.get('type', 'anything')}{_range(schema)}"


def _range(schema: Mapping[str, Any]) -> str:
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
