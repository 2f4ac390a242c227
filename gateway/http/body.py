"""Bodies in, JSON out. It knows HTTP; it must not know what is in them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.core.errors import PayloadTooLarge
from gateway.core.reply.wire import dumps


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; PayloadTooLarge as soon as it is longer than ``limit`` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than the {limit} bytes this server takes.")
        chunks.append(chunk)
    return b"".join(chunks)


def json_response(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON with characters as they are, like every chunk. Surrogates, which no UTF-8 has, become question marks."""
    body = dumps(content).encode("utf-8", "replace")
    return Response(body, status, media_type="application/json", headers=headers)
