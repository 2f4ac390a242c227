"""One request, one connection, one reply that is read as it comes. It knows sockets, TLS and HTTP/1.1 (the standard
library's), and maps what they raise. It must not know OpenAI's objects.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from gateway import __version__
from gateway.commands.client.address import Address, Proxy
from gateway.commands.client.errors import Broken, ClientError, Late, Unreachable

CONNECT_SECONDS = 10.0
PIECE = 64 * 1024
BODY_LIMIT = 64 * 1024 * 1024


class Reply:
    """A reply whose body is still to come. Names of headers are in lower case. Closing it early tells the server."""

    def __init__(
        self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection, silence: str
    ) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._response = response
        self._connection = connection
        self._silence = silence

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. Broken where it ends too early."""
        declared = self._response.length  # None: chunked, or until the connection ends
        got = 0
        while True:
            with _mapped(self._silence):
                piece = self._response.read1(PIECE)
            if not piece:
                break
            got += len(piece)
            yield piece
        if declared is not None and got < declared:
            raise Broken(f"The server announced {declared} bytes and closed the connection after {got}.")

    def read(self) -> bytes:
        """The whole body."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > BODY_LIMIT:
                raise Broken(f"The server sent a body of more than {BODY_LIMIT >> 20} MiB.")
        return bytes(body)

    def close(self) -> None:
        """Ends the connection, whatever is still under way."""
        self._response.close()
        self._connection.close()


class Client:
    """Sends requests to one server. ``silence_seconds``: how long it may say nothing; ``total_seconds``: how long a
    reply may take from its request to its end."""

    def __init__(
        self,
        address: Address,
        *,
        key: str = "",
        proxy: Proxy | None = None,
        ca_file: str | None = None,
        silence_seconds: float = 300.0,
        total_seconds: float = float("inf"),
    ) -> None:
        self.address = address
        self.key = key
        self._proxy = proxy
        self._tls = ssl.create_default_context(cafile=ca_file) if address.scheme == "https" else None
        self._silence_seconds = silence_seconds
        self._total_seconds = total_seconds

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        """The reply, once its headers came. ``path`` is below the base URL. ``body``: bytes as they are, or a value
        that becomes JSON. ``key``: another than the client's own; empty for none."""
        deadline = time.monotonic() + self._total_seconds
        connection = self._connected(deadline)
        silence = f"The server at {self.address.origin} said nothing for {self._silence_seconds:g} s."
        if self._total_seconds < float("inf"):
            silence = f"The server at {self.address.origin} was not done after {self._total_seconds:g} s."
        try:
            payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            target = f"{self.address.path}{path}"
            if self._proxy is not None and self._tls is None:
                target = f"{self.address.origin}{target}"
            with _mapped(silence):
                connection.request(method, target, payload, self._headers(payload, key) | dict(headers or {}))
                response = connection.getresponse()
            return Reply(response, connection, silence)
        except BaseException:
            connection.close()
            raise

    def _headers(self, payload: bytes | None, key: str | None) -> dict[str, str]:
        headers = {"user-agent": f"gateway/{__version__}", "connection": "close", "accept-encoding": "identity"}
        if payload is not None:
            headers["content-type"] = "application/json"
        bearer = self.key if key is None else key
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        if self._proxy is not None and self._tls is None:
            headers |= _credentials(self._proxy)
        return headers

    def _connected(self, deadline: float) -> http.client.HTTPConnection:
        address, proxy = self.address, self._proxy
        host, port = (proxy.host, proxy.port) if proxy else (address.host, address.port)
        seconds = min(CONNECT_SECONDS, self._silence_seconds, max(deadline - time.monotonic(), 0.001))
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=self._tls)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=seconds)
        if proxy is not None and self._tls is not None:
            connection.set_tunnel(address.host, address.port, headers=_credentials(proxy))
        connection.response_class = partial(_Response, deadline=deadline, silence=self._silence_seconds)  # type: ignore[assignment]
        try:
            connection.connect()
            connection.sock.settimeout(self._silence_seconds)
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise _unreachable(exc, address, proxy, seconds) from exc
        except BaseException:
            connection.close()
            raise
        return connection


class _Response(http.client.HTTPResponse):
    """Reads from a socket that has a deadline, so that not even headers can come for ever."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, silence: float, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_Timed(raw, sock, deadline, silence), PIECE)


class _Timed(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float, silence: float) -> None:
        self._raw, self._sock, self._deadline, self._silence = raw, sock, deadline, silence

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(min(left, self._silence))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _mapped(contextlib.AbstractContextManager[None]):
    """Foreign errors of a connection that stands, as ours."""

    def __init__(self, silence: str) -> None:
        self._silence = silence

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(exc, TimeoutError):
            raise Late(self._silence, "Is it overloaded? Ask again, or give it longer with --timeout.") from exc
        if isinstance(exc, http.client.RemoteDisconnected | ConnectionError):
            raise Broken("The server closed the connection before its answer was complete.") from exc
        if isinstance(exc, http.client.IncompleteRead):
            raise Broken("The answer broke off: the connection ended in the middle of it.") from exc
        if isinstance(exc, http.client.HTTPException):
            raise Broken(
                f"What came is no HTTP ({_named(exc)}).", "Does the URL name the right port and scheme?"
            ) from exc
        if isinstance(exc, OSError):
            raise Broken(f"The connection failed: {exc.strerror or _named(exc)}.") from exc


def _unreachable(exc: Exception, address: Address, proxy: Proxy | None, seconds: float) -> ClientError:
    """Why there is no connection."""
    where = f"the proxy {proxy.host}:{proxy.port}" if proxy else address.origin
    if isinstance(exc, socket.gaierror):
        return Unreachable(f"There is no host named {proxy.host if proxy else address.host}.", "Is the name right?")
    if isinstance(exc, ssl.SSLCertVerificationError):
        return Unreachable(
            f"The certificate of {address.origin} is not trusted: {exc.verify_message}.",
            "Give the authority that signed it with --ca-file FILE.",
        )
    if isinstance(exc, ssl.SSLError):
        return Unreachable(
            f"{address.origin} does not speak TLS ({exc.reason or _named(exc)}).",
            "If it speaks plain HTTP, write http://.",
        )
    if isinstance(exc, TimeoutError):
        return Unreachable(
            f"No connection to {where} within {seconds:g} s.", "Is a firewall between, or the host down?"
        )
    if isinstance(exc, ConnectionRefusedError):
        advice = "Start it there, or give another URL."
        if address.local and not proxy:
            advice = "Start a gateway with `gateway serve`, or give the URL of a server that runs."
        return Unreachable(f"Nothing listens at {where}.", advice)
    if proxy and isinstance(exc, OSError) and "Tunnel" in str(exc):
        return Unreachable(
            f"{where} does not let us through: {exc}.", f"Put {address.host} into no_proxy if none is needed."
        )
    return Unreachable(
        f"No connection to {where}: {getattr(exc, 'strerror', None) or _named(exc)}.", "Is the URL right?"
    )


def _credentials(proxy: Proxy) -> dict[str, str]:
    if not proxy.user:
        return {}
    return {"proxy-authorization": "Basic " + base64.b64encode(proxy.user.encode()).decode()}


def _named(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}"[:200] if str(exc) else type(exc).__name__
