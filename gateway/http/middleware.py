"""What every request gets: an id in and out, and one line in the log. Plain ASGI, so that streams pass untouched."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from secrets import token_hex

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.account import line, of_generations
from gateway.recorder import Recorder, recorders
from gateway.tracing import Traces

logger = logging.getLogger("gateway.access")

_ACCEPTABLE = re.compile(r"[!-~]{1,128}")
# Asked again and again, and the files of the playground, of which there are many.
_QUIET = re.compile(r"/(?:healthz|readyz|metrics|debug/endpoints|playground/[\w.]+)")


class RequestLog:
    """Gives each request an id (the client's ``x-request-id`` if it is a sane one) and logs how it went."""

    def __init__(
        self,
        app: ASGIApp,
        answered: Callable[[str, int], None] = lambda path, status: None,
        *,
        prompts: bool = False,
        traces: Traces | None = None,
    ) -> None:
        """``answered`` is told of each request the path of its route, which no client can make up, and the status.
        ``prompts``: the log has them."""
        self._app = app
        self._answered = answered
        self._prompts = prompts
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else f"req_{token_hex(16)}"
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        gathered: list[Recorder] = []
        gathering = recorders.set(gathered)
        quiet = _QUIET.fullmatch(scope["path"]) is not None
        traced = None if self._traces is None or quiet else self._traces.begin(scope["method"], headers)
        status = 499  # unless a response starts: the client was gone

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given_id = request_id.encode()
                took = round((time.perf_counter() - started) * 1000)
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", given_id),
                    (b"request-id", given_id),  # Anthropic's name for it
                    (b"openai-processing-ms", str(took).encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            if status == 499:
                status = 500  # what answers is around us, and the client is still there
            raise
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._answered(route, status)
            recorders.reset(gathering)
            if not quiet or status in (401, 403):
                client = scope.get("client")
                fields = {
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "total_ms": round((time.perf_counter() - started) * 1000, 1),
                    "client": client[0] if client else "",
                    "caller": getattr(scope["state"].get("caller"), "name", ""),  # of a key: its name, never itself
                } | of_generations(gathered, prompts=self._prompts)
                if self._traces is not None and traced is not None:
                    self._traces.end(traced, route, fields, gathered)
                logger.info("%s", line(fields), extra={"fields": fields})
