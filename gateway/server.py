"""uvicorn under signals of our own: it serves until SIGTERM or SIGINT, and ends in steps.

It knows signals, seconds and uvicorn. It must not know models or what requests are. uvicorn's own way is not used: it
closes the port at once, cancels streams without a word after its time, takes a second SIGTERM for the first, and ends
the process by the signal again, so that a clean end looks like a crash.

The steps: not ready, and ``drain_seconds`` for balancers to see it; the port closed, and new requests refused that come
by connections that are there; ``grace_seconds`` for requests in flight; then they are ended with an error. A second
signal skips all waiting.

The port closes first, because a connection that nobody takes is tried again elsewhere by every proxy and client; a
request that was answered with a 503 is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway.http.closing import Closing
from gateway.http.connection import Connection
from gateway.settings.edge import Edge

logger = logging.getLogger("gateway")

LAST_SECONDS = 2.0  # for the error frames of the last requests to be written


class Server:
    """One serving process."""

    def __init__(
        self,
        app: ASGIApp,
        closing: Closing,
        *,
        drain_seconds: float,
        grace_seconds: float,
        edge: Edge | None = None,
        trusted_proxies: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``trusted_proxies``: addresses and networks whose word is taken on whom they forward for."""
        edge = edge or Edge()
        connection: Any = functools.partial(Connection, edge=edge)
        config = uvicorn.Config(
            app,
            http=connection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=math.ceil(edge.keep_alive_seconds),
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
        )
        config.load()
        config.ssl = tls
        self._uvicorn = _Uvicorn(config)
        self._closing = closing
        self._drain_seconds = drain_seconds
        self._grace_seconds = grace_seconds
        self._asked = asyncio.Event()
        self._pressed = asyncio.Event()

    def stop(self) -> None:
        """Ends it in steps; asked a second time, at once."""
        if self._asked.is_set():
            self._pressed.set()
        self._asked.set()

    async def run(self, listener: socket.socket, *, started: Callable[[], None]) -> None:
        """Serves until it is stopped. ``started``: requests are taken."""
        self._uvicorn.on_start = started
        with handling({signal.SIGTERM: self.stop, signal.SIGINT: self.stop}):
            ending = asyncio.ensure_future(self._end())
            try:
                await self._uvicorn.serve(sockets=[listener])
            finally:
                ending.cancel()
                await asyncio.gather(ending, return_exceptions=True)

    async def _end(self) -> None:
        await self._asked.wait()
        closing = self._closing
        closing.drain()
        logger.info("stopping: not ready any more, %d requests in flight", closing.in_flight)
        await self._unless_pressed(self._drain_seconds)
        self._uvicorn.should_exit = True
        await self._uvicorn.closed.wait()
        closing.refuse()
        await self._unless_pressed(self._grace_seconds)
        if closing.in_flight:
            logger.warning("stopping: %d requests are ended with an error", closing.in_flight)
        closing.stop()
        await asyncio.sleep(LAST_SECONDS)
        self._uvicorn.force_exit = True  # whoever does not even read the error

    async def _unless_pressed(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._pressed.wait(), seconds)


class _Uvicorn(uvicorn.Server):
    """uvicorn that leaves signals alone and says when it serves, and when no more connections are taken."""

    on_start: Callable[[], None]

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.closed = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.closed.set()  # who waits for it wakes in a later turn; the port is closed in this one
        await super().shutdown(sockets)


@contextlib.contextmanager
def handling(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Inside of it signals are calls in the event loop."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
