"""Errors and headers that are wrong, and the checks that notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.commands.check.conforming import Said
from tests.gateway.commands.check.wrong import Edit, names, noticed, wrong
from tests.gateway.commands.servers import Request

ALL = names("errors") | {"models.unknown"}


def errors(edit: Callable[[Said], Any]) -> Edit:
    return lambda _, said: edit(said) if said.status >= 400 else None


def without(name: str) -> Edit:
    return lambda _, said: said.headers.pop(name, None)


def plain(said: Said) -> None:
    said.raw, said.headers["content-type"] = b"Internal Server Error", "text/plain"


def flat(said: Said) -> None:
    said.body = said.body["error"]


def fastapi(said: Said) -> None:
    said.body, said.status = {"detail": said.body["error"]["message"]}, 422 if said.status == 400 else said.status


def server_s_fault(said: Said) -> None:
    said.status = 500


def after_200(request: Request, said: Said) -> None:
    """The stream begins, and then it turns out that it cannot."""
    if said.status == 400 and b'"stream"' in request.body:
        said.events, said.status = [said.body, "data: [DONE]"], 200
        said.headers["content-type"] = "text/event-stream"


def not_401(_: Request, said: Said) -> None:
    if said.status == 401:
        said.status = 400


WRONG = [
    wrong("plain-text", errors(plain), *ALL),
    wrong("flat", errors(flat), *ALL),
    wrong("fastapi", errors(fastapi), *ALL),
    wrong("a-text", errors(lambda said: said.body.update(error="It failed.")), *ALL),
    wrong("no-param", errors(lambda said: said.body["error"].pop("param")), *ALL),
    wrong("empty-message", errors(lambda said: said.body["error"].update(message=" ")), *ALL),
    wrong(
        "code-as-number",
        errors(lambda said: said.body["error"].update(code=400)),
        *("errors.types", "errors.unknown-model"),
    ),
    wrong("500-for-all", errors(server_s_fault), *ALL - {"errors.types"}),
    wrong("after-200", after_200, "errors.before-stream"),
    wrong("400-for-keys", not_401, "errors.no-key", "errors.wrong-key"),
    wrong(
        "no-request-id",
        without("x-request-id"),
        *("headers.request-id", "headers.request-id-of-errors", "headers.request-id-of-streams"),
    ),
    wrong("no-processing-ms", without("openai-processing-ms"), "headers.processing-ms"),
    wrong("no-cache-control", without("cache-control"), "headers.no-cache"),
    wrong("buffered", without("x-accel-buffering"), "headers.no-buffering"),
    wrong("half-the-limits", without("x-ratelimit-remaining-tokens"), "headers.rate-limits"),
]


@pytest.mark.parametrize(("edit", "checks"), WRONG)
def test_it_is_noticed(edit: Edit, checks: set[str]) -> None:
    assert noticed(edit) == checks
