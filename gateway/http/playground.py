"""The playground: a page for people at ``/``. It knows files, and the headers that keep the page to itself and us.

It must not know the API: the page asks that like any other client, with a key where keys are needed. The files are the
same for everybody and tell nothing that a refusal would not, so they need none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.core.reply.wire import dumps
from gateway.http.plain import plain_router

FOLDER = Path(__file__).parents[1] / "playground"
PAGE = "index.html"
SETTINGS = "settings.json"  # what the page must know of this gateway before it asks anything
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# Nothing but our own files and our own API, no markup made of text (require-trusted-types-for), in nobody's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    # Kept, but asked about each time: the page of a new gateway is never mixed with that of an old one.
    "cache-control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class File:
    body: bytes
    type: str
    etag: str


class Playground:
    """The files of the page by their path, read once."""

    def __init__(self, *, max_body_bytes: int, keys_needed: bool) -> None:
        settings = dumps({"max_body_bytes": max_body_bytes, "keys_needed": keys_needed}).encode()
        found = {f"/playground/{name}": _file(name, body) for name, body in [*_files(), (SETTINGS, settings)]}
        found["/"] = found.pop(f"/playground/{PAGE}")
        self.files = found

    @property
    def paths(self) -> frozenset[str]:
        """What may be asked for without a key."""
        return frozenset(self.files)

    def reply(self, request: Request) -> Response:
        """The file of this path, or word that the browser has it already."""
        file = self.files.get(request.scope["path"])
        if file is None:
            raise HTTPException(404)
        headers = {**HEADERS, "etag": file.etag}
        if file.etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.type, headers=headers)


def router(playground: Playground) -> APIRouter:
    """``/`` and what the page is made of. No part of the API, so not in its description."""
    routes = plain_router(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    @routes.api_route("/playground/{name}", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return playground.reply(request)

    return routes


def _files() -> Iterator[tuple[str, bytes]]:
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in TYPES:
            yield path.name, path.read_bytes()


def _file(name: str, body: bytes) -> File:
    return File(body, TYPES[Path(name).suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')
