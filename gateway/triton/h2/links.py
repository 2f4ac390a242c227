"""The connections to one server: as few as carry the calls, made when they are needed.

It knows addresses, TLS and how long to wait. It must not know what calls are about. Every wait has a bound, and whoever
waits for a connection that is being made waits for the same one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque

from gateway.triton.h2.grpc_messages import End
from gateway.triton.h2.keepalive import TICK_SECONDS
from gateway.triton.h2.limits import Limits
from gateway.triton.h2.link import Link
from gateway.triton.status import Status

logger = logging.getLogger("gateway.triton")

MOST_LINKS = 8  # a server that takes 100 calls on each, as many proxies do, is then good for 800


class CallFailed(Exception):
    """A call did not end well; ``end`` says how."""

    def __init__(self, end: End) -> None:
        super().__init__(end.details)
        self.end = end


class Links:
    """All connections to one server."""

    def __init__(
        self,
        endpoint: str,
        *,
        connect_seconds: float,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        limits: Limits | None = None,
        most: int = MOST_LINKS,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        """``endpoint``: host:port. ``server_name``: what the certificate must be for, instead of the host."""
        host, _, port = endpoint.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self.endpoint = endpoint
        self.tls = tls is not None
        self._context = tls
        self._server_name = server_name
        self._connect_seconds = connect_seconds
        self._limits = limits
        self._most = most
        self._tick_seconds = tick_seconds
        self._links: list[Link] = []
        self._trouble: str | None = None  # why it could not be reached last, while that lasts
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False
        if tls is not None:
            tls.set_alpn_protocols(["h2"])

    @property
    def authority(self) -> str:
        """What requests say they are for."""
        return self.endpoint if self._server_name is None else f"{self._server_name}:{self._port}"

    def free(self) -> Link | None:
        """A link that takes a call now."""
        for link in self._links:
            if link.room:
                return link
        return None

    async def link(self) -> Link:
        """A link that takes a call now, made if need be. CallFailed where the server is away, or full for too long."""
        found = self.free()
        if found is not None:
            return found
        try:
            return await asyncio.wait_for(self._found(), self._connect_seconds)
        except asyncio.TimeoutError as exc:
            reason = "it takes no more calls" if self._links else "it does not answer"
            raise CallFailed(End(Status.UNAVAILABLE, reason)) from exc

    async def close(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        for link in self._links:
            link.close()
        gone = [link.gone for link in self._links]
        if gone:
            await asyncio.wait(gone, timeout=self._connect_seconds)
        for link in self._links:
            link.abort()  # of a server that does not even read

    async def _found(self) -> Link:
        while True:
            found = self.free()
            if found is not None:
                return found
            self._links = [link for link in self._links if not link.gone.done()]
            if self._closed:
                raise CallFailed(End(Status.UNAVAILABLE, "the transport is closed"))
            if sum(link.connection.lost is None for link in self._links) < self._most:
                await self._connected()
            else:
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(waiter)
                try:
                    await waiter
                finally:
                    with contextlib.suppress(ValueError):
                        self._waiting.remove(waiter)

    async def _connected(self) -> None:
        """One more link, which all that wait for it share. CallFailed where it cannot be made."""
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(self._connect_ended)
        try:
            await asyncio.shield(self._connecting)
        except CallFailed as exc:
            raise CallFailed(exc.end) from None  # each its own: one exception raised by many keeps all their stacks

    def _connect_ended(self, task: asyncio.Task[None]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # those that waited may have gone

    def _left(self, link: Link) -> None:
        if not self._closed:
            logger.info("the connection to Triton at %s ended: %s", self.endpoint, link.connection.lost)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        link = Link(self._waiting, limits=self._limits, tick_seconds=self._tick_seconds)
        name = (self._server_name or self._host) if self._context is not None else None
        try:
            transport, _ = await asyncio.wait_for(
                loop.create_connection(lambda: link, self._host, self._port, ssl=self._context, server_hostname=name),
                self._connect_seconds,
            )
            secured = transport.get_extra_info("ssl_object")
            if secured is not None and secured.selected_alpn_protocol() != "h2":
                raise ssl.SSLError("the server does not offer HTTP/2 (ALPN h2)")
            await asyncio.wait({link.greeted, link.gone}, timeout=self._connect_seconds, return_when="FIRST_COMPLETED")
            if link.greeted.done():
                self._links.append(link)
                self._trouble = None
                link.gone.add_done_callback(lambda _: self._left(link))
                return
            reason = link.connection.lost or "it does not answer as HTTP/2"
        except ssl.SSLError as exc:
            reason = f"TLS: {exc}"
        except asyncio.TimeoutError:
            reason = "no answer"
        except OSError as exc:
            reason = exc.strerror or str(exc)
        finally:
            if not link.greeted.done():
                link.close()
        if reason != self._trouble:  # once, not at every probe
            self._trouble = reason
            logger.warning("cannot reach Triton at %s: %s. Is this its gRPC port?", self.endpoint, reason)
        raise CallFailed(End(Status.UNAVAILABLE, reason))
