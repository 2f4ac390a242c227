"""Watches every reply that this process gets over httpx or httpx2, whoever asks: a test, an SDK, a helper.

The transports' classes are wrapped once per test run (``tests/conftest.py``), so that no test can forget it. A reply of
the API that is not what clients rely on is kept as a violation, and the test during which it came fails.
It knows transports and the API's prefix. It must not know what a good reply is (``replies`` does).
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .replies import Exchange, check

# httpx2 is what newer SDKs ride on; it has httpx's interface.
LIBRARIES = ("httpx", "httpx2")
OURS = ("/v1/", "/tokenize", "/detokenize", "/version")


@dataclass(slots=True)
class Watch:
    """What was seen. ``take`` empties the list of violations."""

    seen: int = 0
    violations: list[str] = field(default_factory=list)

    def take(self) -> list[str]:
        taken, self.violations = self.violations, []
        return taken

    def judge(self, exchange: Exchange) -> None:
        self.seen += 1
        try:
            check(exchange)
        except (AssertionError, ValueError, KeyError, TypeError) as wrong:
            asked = exchange.request[:600].decode("utf-8", "replace")
            got = exchange.body[-2000:].decode("utf-8", "replace")
            title = f"{exchange.method} {exchange.path} → {exchange.status}"
            self.violations.append(f"{title}: {type(wrong).__name__}: {wrong}\n  asked: {asked}\n  got: …{got}")


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Watch from here on, until the end of the context."""
    watch = Watch()
    undo: list[Callable[[], None]] = []
    for name in LIBRARIES:
        with contextlib.suppress(ModuleNotFoundError):
            library = importlib.import_module(name)
            undo.append(_wrap(library.HTTPTransport, "handle_request", _sync, library.SyncByteStream, watch))
            undo.append(
                _wrap(library.AsyncHTTPTransport, "handle_async_request", _async, library.AsyncByteStream, watch)
            )
    try:
        yield watch
    finally:
        for each in undo:
            each()


def _wrap(transport: Any, method: str, wrapper: Any, stream: Any, watch: Watch) -> Callable[[], None]:
    original = getattr(transport, method)
    setattr(transport, method, wrapper(original, stream, watch))
    return lambda: setattr(transport, method, original)


def _sync(original: Any, stream_base: Any, watch: Watch) -> Any:
    class Seen(stream_base):  # type: ignore[misc]
        """A reply's stream, which is judged once it was read or closed."""

        def __init__(self, inner: Any, finish: Callable[[bytes, bool], None]) -> None:
            self._inner, self._finish, self._body = inner, finish, bytearray()

        def __iter__(self) -> Iterator[bytes]:
            for chunk in self._inner:
                self._body += chunk
                yield chunk
            self._finish(bytes(self._body), True)

        def close(self) -> None:
            self._inner.close()
            self._finish(bytes(self._body), False)

    def handle(self: Any, request: Any) -> Any:
        response = original(self, request)
        if _ours(request):
            response.stream = Seen(response.stream, _judge_once(watch, request, response))
        return response

    return handle


def _async(original: Any, stream_base: Any, watch: Watch) -> Any:
    class Seen(stream_base):  # type: ignore[misc]
        """A reply's stream, which is judged once it was read or closed."""

        def __init__(self, inner: Any, finish: Callable[[bytes, bool], None]) -> None:
            self._inner, self._finish, self._body = inner, finish, bytearray()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._inner:
                self._body += chunk
                yield chunk
            self._finish(bytes(self._body), True)

        async def aclose(self) -> None:
            await self._inner.aclose()
            self._finish(bytes(self._body), False)

    async def handle(self: Any, request: Any) -> Any:
        response = await original(self, request)
        if _ours(request):
            response.stream = Seen(response.stream, _judge_once(watch, request, response))
        return response

    return handle


def _ours(request: Any) -> bool:
    return bool(request.url.path.startswith(OURS))


def _judge_once(watch: Watch, request: Any, response: Any) -> Callable[[bytes, bool], None]:
    """Judges the exchange at the first call; a stream that was read to its end is closed too."""
    judged = False

    def finish(body: bytes, complete: bool) -> None:
        nonlocal judged
        if judged:
            return
        judged = True
        headers = {name.lower(): value for name, value in response.headers.items()}
        asked = request.content if hasattr(request, "_content") else b""
        watch.judge(Exchange(request.method, request.url.path, asked, response.status_code, headers, body, complete))

    return finish
