"""/openapi.json: what FastAPI writes, made true. It knows OpenAPI's form; it must not know any endpoint.

Endpoints read their bodies by themselves, so each brings its body's schema along (``described``). The schemas these
refer to are collected where OpenAPI looks for them, and the 422 that FastAPI adds to every parameter is taken out: this
server answers 400, in OpenAI's shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

_FRAMEWORK_S = ("HTTPValidationError", "ValidationError")


def described(body: type[BaseModel]) -> dict[str, Any]:
    """The ``openapi_extra`` of an endpoint that reads this body by itself."""
    name = body.__name__  # two bodies may have parts of one name
    schema = body.model_json_schema(ref_template=f"#/components/schemas/{name}.{{model}}")
    schema["$defs"] = {f"{name}.{part}": definition for part, definition in schema.pop("$defs", {}).items()}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description, for ``app.openapi``."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name in _FRAMEWORK_S:
            schemas.pop(name, None)
        for operation in _operations(document):
            operation["responses"].pop("422", None)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schemas.update(content["schema"].pop("$defs", {}))
        app.openapi_schema = document
    return app.openapi_schema


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()
