"""reference/errors.md: every error that a client may get, from the tree in ``gateway.core.errors``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from gateway.core.errors import ClientDisconnected, GatewayError, SettingsError
from scripts.docs.table import code, table

INTRODUCTION = """\
# Errors

An error is `{"error": {"message", "type", "param", "code"}}` with the status below, as OpenAI's SDKs read it; under `/v1/messages` it is
Anthropic's `{"type": "error", "error": {"type", "message"}}`. `message` is for people and may change; `code` is for programs.
`param` names the field of the request that it is about.

After the first token of a stream the status is already 200: then the error is one frame, followed by `[DONE]` (Anthropic: an
`error` event). A reply with `retry-after` says in how many seconds it is worth trying again; OpenAI's and Anthropic's SDKs obey it.

"""
UNSENT = (SettingsError, ClientDisconnected)  # no client ever reads these


def page() -> str:
    """The whole page."""
    rows = []
    for cls, depth in tree(GatewayError):
        if cls in UNSENT:
            continue
        after = "yes" if cls.retry_after is not None or "retry_after" in inspect.signature(cls).parameters else ""
        about = " ".join((inspect.getdoc(cls) or "").split()).replace("``", "`")
        name = "↳ " * depth + code(cls.__name__)
        rows.append((name, str(cls.status), code(cls.type), code(cls.code or ""), after, about))
    return INTRODUCTION + table(("error", "status", "type", "code", "retry-after", "meaning"), rows)


def tree(cls: type[GatewayError], depth: int = 0) -> Iterator[tuple[type[GatewayError], int]]:
    """The class and all below it, with how deep each lies."""
    yield cls, depth
    for below in cls.__subclasses__():
        if below.__module__ == GatewayError.__module__:
            yield from tree(below, depth + 1)
