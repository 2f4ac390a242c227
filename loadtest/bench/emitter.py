"""The floor: an ASGI application that only emits the frames of a chat, under the same uvicorn as the gateway.

python -m loadtest.bench.emitter --tokens 200 --gap-ms 50 --port 9100
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_FRAME = (
    b'data: {"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1763800000,'
    b'"model":"bench","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}\n\n'
)


def application(tokens: int, gap: float) -> Callable[..., Awaitable[None]]:
    """``gap``: seconds between frames; 0: all that may be sent at once, one write each."""

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(tokens):
            if gap:
                due += gap
                await asyncio.sleep(due - loop.time())
            await send({"type": "http.response.body", "body": _FRAME, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.emitter", description=__doc__)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--gap-ms", type=float, default=50)
    parser.add_argument("--port", type=int, default=9100)
    arguments = parser.parse_args()
    app = application(arguments.tokens, arguments.gap_ms / 1000)
    uvicorn.run(app, port=arguments.port, loop="uvloop", http="httptools", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
