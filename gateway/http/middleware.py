"""What every request gets: an id in and out, and one line in the log. Plain ASGI, so that streams pass untouched."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.account import line, of_generations
from gateway.metrics import Recorder, recorders

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
    ) -> None:
        """``answered`` is told of each request the path of its route, which no client can make up, and the status.
        ``prompts``: the log has them."""
        self._app = app
        self._answered = answered
        self._prompts = prompts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        gathered: list[Recorder] = []
        gathering = recorders.set(gathered)
        status = 499  # unless a response starts: the client was gone

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["request-id"] = request_id  # Anthropic's name for it
                headers["openai-processing-ms"] = str(round((time.perf_counter() - started) * 1000))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            if status == 499:
                status = 500  # what answers is around us, and the client is still there
            raise
        finally:
            self._answered(getattr(scope.get("route"), "path", "other"), status)
            recorders.reset(gathering)
            if not _QUIET.fullmatch(scope["path"]) or status in (401, 403):
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
                logger.info("%s", line(fields), extra={"fields": fields})
