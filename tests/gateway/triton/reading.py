"""What a transport feeds, to be read at the pace of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from gateway.core.tensors import Response
from gateway.triton.transport import Call, Transport


async def batches_of(transport: Transport, call: Call) -> AsyncGenerator[Sequence[Response], None]:
    """Responses, together what came together. Closing it leaves the request."""
    waiting: asyncio.Queue[Sequence[Response] | None] = asyncio.Queue()

    def take(responses: Sequence[Response]) -> bool:
        waiting.put_nowait(responses)
        return False

    feeding = asyncio.ensure_future(transport.feed(call, take))
    feeding.add_done_callback(lambda _: waiting.put_nowait(None))
    try:
        while (responses := await waiting.get()) is not None:
            yield responses
        await feeding
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def responses_of(transport: Transport, call: Call) -> AsyncGenerator[Response, None]:
    """One response after the other."""
    async with aclosing(batches_of(transport, call)) as found:
        async for responses in found:
            for response in responses:
                yield response
