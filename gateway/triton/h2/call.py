"""One call on whatever connection takes it: messages as they come, all that arrived at once together.

It knows links and how calls end. It must not know what messages say.
"""

from __future__ import annotations

import asyncio

from gateway.triton.h2.grpc_messages import End, framed, request_headers
from gateway.triton.h2.link import Link
from gateway.triton.h2.links import CallFailed, Links
from gateway.triton.h2.stream import Stream
from gateway.triton.status import Status


class H2Call:
    """A call that was begun. A call that the server is known not to have taken up is begun once more."""

    __slots__ = ("_again", "_body", "_headers", "_link", "_links", "_stream", "_waiter")

    def __init__(self, links: Links, path: str, message: bytes, timeout: float | None = None) -> None:
        """``timeout``: seconds after which the server gives up by itself."""
        self._links = links
        self._headers = request_headers(path, links.authority, tls=links.tls, timeout=timeout)
        self._body = framed(message)
        self._again = True
        self._link: Link | None = None
        self._stream: Stream | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """CallFailed where no server is there."""
        link = self._links.free()
        while link is None or not link.room:  # others that waited for the same link may have filled it
            link = await self._links.link()
        self._link = link
        self._stream = self._link.open(self._headers, self._body, self._wake)

    @property
    def over(self) -> bool:
        return self._stream is None or self._stream.end is not None

    async def messages(self) -> list[bytes]:
        """The next messages, at least one; none at a good end. CallFailed at any other."""
        while True:
            assert self._link is not None
            assert self._stream is not None
            messages = self._link.take(self._stream)
            if messages:
                self._again = False
                return messages
            end = self._stream.end
            if end is None:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            elif end.status is Status.OK:
                return []
            elif end.processed or not self._again:
                raise CallFailed(end)
            else:
                self._again = False
                await self.begin()

    async def one(self) -> bytes:
        """The answer of a call that has one."""
        found = await self.messages()
        while more := await self.messages():
            found += more
        if len(found) != 1:
            raise CallFailed(End(Status.INTERNAL, f"the server sent {len(found)} answers where there is one"))
        return found[0]

    async def drained(self) -> None:
        """Comes back when it is over, well or not."""
        try:
            while await self.messages():
                pass
        except CallFailed:
            return

    async def cancel(self) -> None:
        """Ends it from our side; nothing happens where it is over."""
        if self._link is not None and self._stream is not None:
            self._link.cancel(self._stream)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
