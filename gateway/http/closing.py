"""The end of a gateway, as its requests see it: told to come no more, then refused, then ended.

It knows requests in flight and how each is ended. It must not know signals, sockets or how long anything takes:
``server`` decides when.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.core.errors import GatewayError, ShuttingDown

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


class Closing:
    """How far the end has come. It never goes back."""

    def __init__(self) -> None:
        self.draining = False  # not ready any more; requests are served
        self.refusing = False  # new requests are refused
        self._requests: set[Ending] = set()

    def drain(self) -> None:
        """No longer ready, so that balancers turn away. Whoever still comes is served, and asked to connect anew."""
        self.draining = True

    def refuse(self) -> None:
        """New requests are refused; those in flight go on."""
        self.draining = self.refusing = True

    def stop(self) -> None:
        """Ends what still runs: streams with an error frame, the rest with a 503."""
        self.refuse()
        for request in list(self._requests):
            request.stop()

    @property
    def in_flight(self) -> int:
        """Requests that are not over."""
        return len(self._requests)


class Ending:
    """One request, which can be ended from outside: by cancelling the task that works for it, once."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.streams = False
        self.stopped = False

    def works(self, task: asyncio.Task[Any]) -> None:
        """From now on that task works for it, and whoever streams what it makes sends the error when it is stopped."""
        self._task, self.streams = task, True

    def stop(self) -> None:
        """Interrupts the work."""
        if not self.stopped:
            self.stopped = True
            self._task.cancel()

    def error(self) -> ShuttingDown:
        """What the client is told."""
        return ShuttingDown("The gateway is shutting down and had to end this request. Send it again.")

    def settle(self) -> None:
        """Takes back the cancellation that ``stop`` asked for, so that nothing further out acts on it."""
        if sys.version_info >= (3, 11):
            self._task.uncancel()


def ending(scope: Scope) -> Ending | None:
    """Of the request that the scope belongs to; None outside of ``ClosingRequests``."""
    found = scope.get("state", {}).get("ending")
    return found if isinstance(found, Ending) else None


class ClosingRequests:
    """Keeps account of requests in flight; refuses new ones at the end, and answers those that had to be ended."""

    def __init__(self, app: ASGIApp, closing: Closing, reply: Callable[[Request, GatewayError], Response]) -> None:
        """``reply`` makes an error's response in the shape of the API that was called."""
        self._app = app
        self._closing = closing
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        if self._closing.draining:
            send = _closing_connection(send)
        if self._closing.refusing:
            error = ShuttingDown("The gateway is shutting down. Send the request again; another one takes it.")
            await self._reply(Request(scope), error)(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        request = Ending(task)
        scope.setdefault("state", {})["ending"] = request
        self._closing._requests.add(request)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not request.stopped or request.streams:
                raise
            request.settle()
            await self._reply(Request(scope), request.error())(scope, receive, _closing_connection(send))
        finally:
            self._closing._requests.discard(request)


def _closing_connection(send: Send) -> Send:
    """Asks the client to connect anew for its next request, which then reaches another gateway."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        await send(message)

    return closing
