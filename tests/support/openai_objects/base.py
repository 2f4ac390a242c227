"""Strict objects: no key too many, none missing, no value of another type. Extensions of ours are one table."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, TypeAdapter, ValidatorFunctionWrapHandler, model_validator

# Class here → the keys that we add to OpenAI's object, and the type of each. Everything else unknown is an error.
EXTENSIONS: dict[str, dict[str, Any]] = {
    "Message": {"reasoning_content": str, "reasoning": str},
    "ChunkDelta": {"reasoning_content": str, "reasoning": str},
    "Model": {"max_model_len": int, "capabilities": dict[str, Any], "root": str, "parent": str | None},
}


class Strict(BaseModel):
    """An object with exactly the keys of its class, and those of EXTENSIONS. ``said``: the keys it came with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    _said: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def said(self) -> frozenset[str]:
        return self._said

    @model_validator(mode="wrap")
    @classmethod
    def _extensions(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, dict):
            return handler(value)
        extra = EXTENSIONS.get(cls.__name__, {})
        for key in extra.keys() & value.keys():
            TypeAdapter(extra[key]).validate_python(value[key], strict=True)
        checked = handler({key: item for key, item in value.items() if key not in extra})
        checked._said = frozenset(value)
        return checked


class ErrorDetail(Strict):
    """All four keys are always there."""

    message: str
    type: Literal[
        "invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"
    ]
    param: str | None
    code: str | None


class ErrorBody(Strict):
    error: ErrorDetail
