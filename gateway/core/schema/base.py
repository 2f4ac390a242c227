"""How bodies of clients are checked: strict types, OpenAI-shaped errors, and what happens to fields nobody knows.

It knows pydantic and OpenAI's spelling of a field's path. It must not know any endpoint's fields. After ``parse``
everything trusts the request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from gateway.core.errors import RequestError, UnsupportedField

INT32_MAX = 2**31 - 1
# Objects in one list: more than fit any context, and few enough to look at in a moment.
MOST_ITEMS = 2**14

# Names of unknown fields that are reported back: enough for a person, too few to fill a response header.
MOST_IGNORED = 16
LONGEST_NAME = 64


class Model(BaseModel):
    """Base of all: strict types (a number in a string is an error), immutable; unknown fields are kept apart."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


M = TypeVar("M", bound=Model)
Unserved = Mapping[str, tuple[Any, ...]]


def parse(model: type[M], body: bytes | Mapping[str, Any], *, unserved: Unserved | None = None) -> M:
    """The checked request, from a body of JSON or what another endpoint made of its own. RequestError names the field.

    ``unserved``: known fields that are not served, with the values that ask for nothing; any other value is refused,
    because silence would be a wrong answer.
    """
    document = from_body(body) if isinstance(body, bytes) else body
    for name, harmless in (unserved or {}).items():
        if name in document and not any(type(document[name]) is type(v) and document[name] == v for v in harmless):
            raise UnsupportedField(f"'{name}' is not supported by this server.", param=name)
    try:
        # From JSON again: in strict mode only JSON may be written for tuples and enums.
        return model.model_validate_json(body) if isinstance(body, bytes) else model.model_validate(document)
    except ValidationError as exc:
        raise _request_error(exc) from exc


def from_body(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; RequestError where there is none."""
    try:
        document = from_json(body)
    except ValueError as exc:
        raise RequestError(f"The body is not valid JSON: {exc}.") from exc
    if not isinstance(document, dict):
        raise RequestError("The body must be a JSON object, with the fields of this endpoint.")
    return document


def ignored(request: Model, *, known: Collection[str] = ()) -> tuple[str, ...]:
    """Paths of the fields that nobody here knows, such as ``stream_options.foo`` or ``messages[].bar``; each once.

    ``known``: fields of the request that were checked although no schema has them (``unserved`` of ``parse``).
    """
    names: dict[str, None] = {}
    for name in _unknown(request, ""):
        if name in known:
            continue
        names[name] = None
        if len(names) == MOST_IGNORED:
            break
    return tuple(names)


def _unknown(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Model):
        prefix = f"{path}." if path else ""
        for name in value.model_extra or ():
            yield f"{prefix}{name[:LONGEST_NAME]}"
        for name, inner in vars(value).items():
            if inner is not None and not isinstance(inner, str):  # most fields of most requests
                yield from _unknown(inner, f"{prefix}{name}")
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Model):
        for item in value:
            yield from _unknown(item, f"{path}[]")


def _request_error(exc: ValidationError) -> RequestError:
    errors = exc.errors(include_url=False, include_context=False)
    # Of the branches of a union, the one that got furthest is the one that was meant; a wrong type got nowhere.
    start = errors[0]["loc"][:-1]
    branches = [error for error in errors if error["loc"][: len(start)] == start]
    error = max(branches, key=lambda e: (len(e["loc"]), not e["type"].endswith("_type")))
    path = field_path(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if not path:
        return RequestError(f"{message}.")
    return RequestError(f"Invalid '{path}': {message[0].lower()}{message[1:]}.", param=path)


def field_path(loc: Iterable[int | str]) -> str:
    """pydantic's location as ``messages[0].content``; the union branches it adds are no part of the body."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier() and not step[0].isupper() and step not in ("str", "list", "dict", "int", "bool"):
            path += f".{step}" if path else step
    return path
