"""The floor: an ASGI application that only emits the frames of a chat, under the same uvicorn as the gateway.

    python -m loadtest.bench.emitter --frames frames.sse --port 9100

The frames are those that a gateway sent once (``fronts`` records them), so both send the same bytes. How many and at
which pace is told by the query of each request: ``?tokens=200&gap=0.05``. It knows ASGI and when a frame is due. It
must not know what frames say.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from loadtest.bench.replay import phase
from loadtest.client import TEXT

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


@dataclass(frozen=True, slots=True)
class Frames:
    """Of one recorded answer: what comes before its text, a frame for each token, what comes after."""

    opening: bytes
    tokens: tuple[bytes, ...]
    closing: bytes

    @classmethod
    def of(cls, recorded: bytes) -> Frames:
        frames = [frame + b"\n\n" for frame in recorded.split(b"\n\n") if frame]
        texts = [n for n, frame in enumerate(frames) if TEXT in frame and TEXT + b'"' not in frame]
        if not texts:
            raise ValueError("the recorded answer has no frame with text; is it a streamed chat?")
        first, last = texts[0], texts[-1] + 1
        return cls(b"".join(frames[:first]), tuple(frames[first:last]), b"".join(frames[last:]))


@dataclass(frozen=True, slots=True)
class Wish:
    """Of one request. ``steps``: all requests are sent to at the same moments. ``turn``: without a gap, one write to a
    stream in a turn of the event loop."""

    tokens: int
    gap: float = 0.0
    steps: bool = False
    turn: bool = False

    @classmethod
    def of(cls, query: bytes) -> Wish:
        given = {name: values[0] for name, values in parse_qs(query.decode()).items()}
        return cls(int(given.get("tokens", "200")), float(given.get("gap", "0")), "steps" in given, "turn" in given)


def application(frames: Frames) -> Callable[..., Awaitable[None]]:
    async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        wish = Wish.of(scope["query_string"])
        await (_paced if wish.gap else _at_once)(frames, wish, send)

    return app


async def _paced(frames: Frames, wish: Wish, send: Send) -> None:
    """Tokens come when the stand-in's do: see there."""
    loop = asyncio.get_running_loop()
    now, gap = loop.time(), wish.gap
    due = (now // gap + 2) * gap if wish.steps else now + gap
    late = 0.0 if wish.steps else gap * phase()
    await asyncio.sleep(due - now)
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await _send(send, frames.opening + frames.tokens[0])
    due += late
    for frame in itertools.islice(itertools.cycle(frames.tokens), 1, wish.tokens):
        due += gap
        await asyncio.sleep(due - loop.time())
        await _send(send, frame)
    await _send(send, frames.closing, more=False)


async def _at_once(frames: Frames, wish: Wish, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await _send(send, frames.opening)
    for frame in itertools.islice(itertools.cycle(frames.tokens), wish.tokens):
        await _send(send, frame)
        if wish.turn:
            await asyncio.sleep(0)
    await _send(send, frames.closing, more=False)


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.emitter", description=__doc__)
    parser.add_argument("--frames", type=Path, required=True, help="a recorded answer, as it came from the socket")
    parser.add_argument("--port", type=int, default=9100)
    arguments = parser.parse_args()
    app = application(Frames.of(arguments.frames.read_bytes()))
    uvicorn.run(
        app, port=arguments.port, loop="uvloop", http="httptools", log_level="warning", access_log=False, backlog=2048
    )


if __name__ == "__main__":
    main()
