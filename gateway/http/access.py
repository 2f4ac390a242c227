"""The gate in front of every route: plain ASGI around the whole application, so that no route can be forgotten.

It knows how a key is presented and which headers tell of limits. Who is let in is the gate's to say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from gateway.core.caller import Caller
from gateway.core.errors import GatewayError, Unauthorized
from gateway.core.spent import Spent
from gateway.core.window import Window, duration
from gateway.gate import Bill, Gate
from gateway.service import Prepared


class Access:
    """Lets requests in or answers them itself. Inside, ``request.state`` has ``caller``, ``gate`` and ``bill``."""

    def __init__(self, app: ASGIApp, gate: Gate, reply: Callable[[Request, GatewayError], Response]) -> None:
        """``reply`` makes an error's response in the shape of the API that was called."""
        self._app = app
        self._gate = gate
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)  # nothing here speaks anything but HTTP
            return
        state = scope.setdefault("state", {})
        try:
            caller = self._gate.admit(scope["path"], list(_presented(Headers(scope=scope))))
            bill = self._gate.bill(caller)
            state["caller"], state["gate"], state["bill"] = caller, self._gate, bill
            send = _telling(send, bill)
            if scope["method"] == "POST":
                await bill.request()
        except GatewayError as error:
            response = self._reply(Request(scope), error)
            if isinstance(error, Unauthorized):
                response.headers["www-authenticate"] = "Bearer"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _presented(headers: Headers) -> Iterator[bytes]:
    """What may be a key, as the bytes that came. Some clients send both forms and mean one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        yield key.strip().encode("latin-1")
    if key := headers.get("x-api-key", "").strip():
        yield key.encode("latin-1")


def _telling(send: Send, bill: Bill) -> Send:
    """Adds how the limits stand to the head of the response."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start" and bill.windows:
            message.setdefault("headers", [])
            MutableHeaders(scope=message).update(limit_headers(bill.windows))
        await send(message)

    return telling


def limit_headers(windows: Mapping[str, Window]) -> dict[str, str]:
    """OpenAI's names, by "requests" and "tokens"."""
    headers: dict[str, str] = {}
    for kind, window in windows.items():
        headers[f"x-ratelimit-limit-{kind}"] = str(window.limit)
        headers[f"x-ratelimit-remaining-{kind}"] = str(window.remaining)
        headers[f"x-ratelimit-reset-{kind}"] = duration(window.reset_seconds)
    return headers


def permit(request: Request, model: str) -> None:
    """Forbidden unless whoever asks may use the model."""
    gate: Gate = request.state.gate
    gate.permit(request.state.caller, model)


def may_use(request: Request, model: str) -> bool:
    """Whether whoever asks may know of the model."""
    caller: Caller = request.state.caller
    return caller.may_use(model)


@asynccontextmanager
async def billed_input(request: Request, tokens: int) -> AsyncIterator[None]:
    """Charges work that has no answer to count. What fails costs nothing."""
    bill: Bill = request.state.bill
    await bill.tokens(tokens, 0)
    try:
        yield
    except GatewayError:
        bill.settle(0)
        raise


@asynccontextmanager
async def billed(request: Request, prepared: Prepared) -> AsyncIterator[Spent]:
    """Charges answers to the caller: a guess before the first delta, and after the last what was pushed."""
    bill: Bill = request.state.bill
    spent = Spent(prepared.generates)
    await bill.tokens(spent.prompt_tokens, spent.most)
    try:
        yield spent
    except GatewayError:
        spent.failed()
        raise
    finally:
        bill.settle(spent.tokens)
