"""Bodies in, JSON out. It knows HTTP; it must not know what is in them."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.core.errors import ClientDisconnected, PayloadTooLarge
from gateway.core.reply.wire import dumps


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; PayloadTooLarge as soon as it is longer than ``limit`` bytes."""
    body = bytearray()  # one buffer: a list of a million small chunks would cost fifty times their bytes
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise PayloadTooLarge(f"The body is larger than the {limit} bytes this server takes.")
    except ClientDisconnect as exc:
        raise ClientDisconnected("The client left before the end of its request.") from exc
    return bytes(body)


def json_response(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON with characters as they are, like every chunk. Surrogates, which no UTF-8 has, become question marks."""
    body = dumps(content).encode("utf-8", "replace")
    return Response(body, status, media_type="application/json", headers=headers)
