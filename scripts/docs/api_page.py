"""reference/api.md: every endpoint and every field, from the OpenAPI description that the gateway itself gives out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.gate import Gate
from gateway.http.answer import EndpointSettings
from gateway.http.app import create_app
from gateway.http.closing import Closing
from gateway.http.schemas import body_of, fields, short, within
from gateway.metrics import Metrics
from gateway.settings.keys import KeySettings
from scripts.docs.table import code, table

INTRODUCTION = """\
# HTTP API

Every endpoint, as `GET /openapi.json` of a running gateway describes it; `GET /docs` shows the same as a page. What each field needs of the
model is in [capabilities](capabilities.md), what may go wrong in [errors](errors.md).

"""
FIELDS = ("field", "type", "needed")


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
    body = body_of(operation)
    if body is not None:
        parts.append(body.get("description", "") + "\n")
        parts.append(_fields(body))
        names = within(body, schemas)
        if names:
            parts.append('??? note "Objects in this body"\n')
        for name in names:
            schema = schemas[name]
            inner = f"**{short(name)}**\n\n{schema.get('description', '')}\n\n{_fields(schema)}"
            parts.append("\n".join(f"    {line}" if line else "" for line in inner.splitlines()) + "\n")
    return "\n".join(parts)


def _fields(schema: Mapping[str, Any]) -> str:
    rows = [(code(name), kind, "yes" if needed else "") for name, kind, needed in fields(schema)]
    return table(FIELDS, rows) if rows else "Any object.\n"
