"""The engine behind the peers that route: an application that only emits, in the formats they read.

It answers OpenAI chats, Triton's ``generate_stream``, and what routers ask of a worker before they trust it. An answer
is the text of the stand-in for Triton, a word at a time: LiteLLM takes one chunk again and again for a model that
repeats itself, and ends it. Never for tests of behaviour.

    python -m loadtest.peers.worker --tokens 200 --gap-ms 50 --port 9101
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import uvicorn

from loadtest.ask import CHAT
from loadtest.bench.fronts import MODEL
from loadtest.bench.replay import Pace, phase
from loadtest.bench.stand_in import TEXT

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

GENERATE = "/generate_stream"

_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_JSON = [(b"content-type", b"application/json")]
# What SGLang's, vLLM's and their routers' workers tell of themselves; any other path is answered with {}.
_FACTS: dict[str, dict[str, Any]] = {
    "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": MODEL}]},
    "/get_model_info": {"model_path": MODEL, "tokenizer_path": MODEL, "is_generation": True},
    "/model_info": {"model_path": MODEL, "tokenizer_path": MODEL, "is_generation": True},
    "/get_server_info": {"model_path": MODEL, "served_model_name": MODEL, "dp_size": 1, "tp_size": 1},
    "/server_info": {"model_path": MODEL, "served_model_name": MODEL, "dp_size": 1, "tp_size": 1},
}


def words(tokens: int) -> list[str]:
    """So many, each with the space that follows it, as tokens have theirs."""
    found = [f"{word} " for word in TEXT.split()]
    return list(itertools.islice(itertools.cycle(found), tokens))


def chat_frames(tokens: int) -> list[bytes]:
    """An answer in OpenAI's format: so many frames with text, the one with the reason, and the end."""
    start = {
        "id": "chatcmpl-01234567",
        "object": "chat.completion.chunk",
        "created": 1763800000,
        "model": MODEL,
    }

    def frame(delta: dict[str, str], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return f"data: {json.dumps({**start, 'choices': [choice]}, separators=(',', ':'))}\n\n".encode()

    text = [frame({"content": word}, None) for word in words(tokens)]
    return [*text, frame({}, "length"), b"data: [DONE]\n\n"]


def triton_frames(tokens: int) -> list[bytes]:
    """An answer as Triton's ``generate_stream`` writes that of a TensorRT-LLM ensemble, shortened to what is read."""
    start = {"model_name": "ensemble", "model_version": "1", "sequence_end": False, "sequence_id": 0}
    return [
        f"data: {json.dumps({**start, 'text_output': word}, separators=(',', ':'))}\n\n".encode()
        for word in words(tokens)
    ]


def application(tokens: int, pace: Pace) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    chat, triton = chat_frames(tokens), triton_frames(tokens)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        path: str = scope["path"]
        if path == CHAT:
            await emit(chat, tokens, pace, send)
        elif path.endswith(GENERATE):
            await emit(triton, tokens, pace, send)
        else:
            body = json.dumps(_FACTS.get(path, {})).encode()
            await send({"type": "http.response.start", "status": 200, "headers": _JSON})
            await send({"type": "http.response.body", "body": body})

    return app


async def emit(frames: Sequence[bytes], tokens: int, pace: Pace, send: Send) -> None:
    """The frames of the tokens at their moments, which are those of the stand-in for Triton, and the others behind."""
    loop = asyncio.get_running_loop()
    now, gap = loop.time(), pace.gap
    if gap:
        due = (now // gap + 2) * gap if pace.steps else now + gap
        await asyncio.sleep(due - now)
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
    for number, frame in enumerate(frames):
        if gap and 0 < number < tokens:
            due += gap + (gap * phase() if number == 1 and not pace.steps else 0.0)
            await asyncio.sleep(due - loop.time())
        await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.peers.worker", description=__doc__)
    parser.add_argument("--tokens", type=int, default=200, help="of each answer")
    parser.add_argument("--gap-ms", type=float, default=50, help="milliseconds between them; 0: as fast as they go")
    parser.add_argument("--steps", action="store_true", help="all answers go on at the same moments")
    parser.add_argument("--port", type=int, default=9101)
    arguments = parser.parse_args()
    app = application(arguments.tokens, Pace(arguments.gap_ms / 1000, arguments.steps))
    uvicorn.run(
        app, port=arguments.port, loop="uvloop", http="httptools", log_level="error", access_log=False, backlog=2048
    )


if __name__ == "__main__":
    main()
