"""One call on whatever connection takes it: messages as they come, all that arrived at once together.

It knows links and how calls end. It must not know what messages say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway.triton.h2.grpc_messages import End, framed, request_headers
from gateway.triton.h2.link import Link
from gateway.triton.h2.links import CallFailed, Links
from gateway.triton.h2.stream import Stream
from gateway.triton.status import Status

Take = Callable[[list[bytes]], bool]  # messages; True: it has enough


class H2Call:
    """A call that the server is known not to have taken up is begun once more."""

    __slots__ = ("_again", "_body", "_headers", "_link", "_links", "_over", "_stream", "_take")

    def __init__(
        self,
        links: Links,
        path: str,
        message: bytes,
        timeout: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """``timeout``: seconds after which the server gives up by itself. ``headers``: more of them."""
        self._links = links
        self._headers = request_headers(path, links.authority, tls=links.tls, timeout=timeout, more=headers)
        self._body = framed(message)
        self._again = True
        self._link: Link | None = None
        self._stream: Stream | None = None
        self._take: Take = _dropped
        self._over: asyncio.Future[bool] | None = None  # whether the reader had enough

    async def feed(self, take: Take) -> None:
        """Begins it, and hands its messages to ``take`` in the turn in which they arrive, until its end or until
        ``take`` has enough. CallFailed at any end but a good one, or where no server is there."""
        await self._begin()
        await self._read(take)

    @property
    def over(self) -> bool:
        return self._stream is None or self._stream.end is not None

    async def one(self) -> bytes:
        """The answer of a call that has one."""
        found: list[bytes] = []

        def take(messages: list[bytes]) -> bool:
            found.extend(messages)
            return False

        await self.feed(take)
        if len(found) != 1:
            raise CallFailed(End(Status.INTERNAL, f"the server sent {len(found)} answers where there is one"))
        return found[0]

    async def drained(self) -> None:
        """Comes back when it is over, well or not. Nobody wants what it still brings."""
        if self._stream is None:
            return
        try:
            await self._read(_dropped)
        except CallFailed:
            return

    async def cancel(self) -> None:
        """Ends it from our side; nothing happens where it is over."""
        if self._link is not None and self._stream is not None:
            self._link.cancel(self._stream)
            self._stream.on_news = _silent

    async def _begin(self) -> None:
        link = self._links.free()
        while link is None or not link.room:  # others that waited for the same link may have filled it
            link = await self._links.link()
        self._link = link
        self._stream = self._link.open(self._headers, self._body, self._news)

    async def _read(self, take: Take) -> None:
        while True:
            self._take = take
            self._over = asyncio.get_running_loop().create_future()
            self._news()
            if await self._over:
                return
            assert self._stream is not None
            end = self._stream.end
            assert end is not None
            if end.status is Status.OK:
                return
            if end.processed or not self._again:
                raise CallFailed(end)
            self._again = False
            await self._begin()

    def _news(self) -> None:
        """The connection has something for it, or its end. Once the reader has enough, it waits for ``drained``."""
        over, stream = self._over, self._stream
        if stream is None:
            return
        if stream.end is not None:
            stream.on_news = _silent  # they hold each other no longer: nothing is left for a collection
        if over is None or over.done():
            return
        if stream.window * 2 > stream.full:  # nearly always: the server needs no word about it
            messages, stream.messages = stream.messages, []
        else:
            assert self._link is not None
            messages = self._link.take(stream)
        if messages:
            self._again = False
            try:
                if self._take(messages):
                    over.set_result(True)
                    return
            except Exception as exc:  # the reader's own: it comes out where it waits
                over.set_exception(exc)
                return
        if stream.end is not None:
            over.set_result(False)


def _silent() -> None:
    pass


def _dropped(messages: list[bytes]) -> bool:
    return False
