"""HTTP servers of tests: a real socket, and a function that says what goes over it, right or wrong.

It knows enough HTTP/1.1 to read a request. It must not know OpenAI's API.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """Names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """What an answer is written to. Leaving the function closes it."""

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self._socket = sock
        self._over = over

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reply(self, body: bytes, *, status: int = 200, type: str = "application/json", **headers: str) -> None:
        """A whole reply. ``headers``: with underscores for hyphens."""
        lines = [f"HTTP/1.1 {status} Said", f"content-type: {type}", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def stream(self, *pieces: bytes, whole: bool = True, **headers: str) -> None:
        """A chunked event stream, begun; ``whole``: and ended."""
        lines = ["HTTP/1.1 200 OK", "content-type: text/event-stream", "transfer-encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())
        for piece in pieces:
            self.piece(piece)
        if whole:
            self.send(b"0\r\n\r\n")

    def piece(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def hang(self) -> None:
        """Says nothing until the test is over, or the client leaves."""
        self._socket.settimeout(0.05)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                if not self._socket.recv(1):
                    return

    def wait(self, seconds: float) -> bool:
        """Waits; whether the test is over."""
        return self._over.wait(seconds)

    def tls(self, context: ssl.SSLContext) -> None:
        """From here on it is encrypted."""
        self._socket = context.wrap_socket(self._socket, server_side=True)

    def read(self) -> Request | None:
        """The next request; None where none came."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(65536)
            if not more:
                return None
            data += more
            if data.startswith(b"\x16"):  # somebody speaks TLS to us, who do not
                return Request("", "", {}, data)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        while len(body) < int(headers.get("content-length", 0)):
            body += self._socket.recv(65536)
        return Request(method, target, headers, body)


@dataclass(slots=True)
class Server:
    """``requests``: what it was asked. ``left``: set once an answer found its client gone."""

    port: int
    requests: list[Request] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


Answer = Callable[[Request, Connection], None]


@contextlib.contextmanager
def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that gives each request to ``answer``, each on a connection and a thread of its own."""
    over = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server = Server(listener.getsockname()[1])

        def one(sock: socket.socket) -> None:
            with contextlib.suppress(OSError), sock:
                sock.settimeout(20)
                connection = Connection(sock, over)
                if tls is not None:
                    connection.tls(tls)
                request = connection.read()
                if request is not None:
                    server.requests.append(request)
                    try:
                        answer(request, connection)
                    except OSError:
                        server.left.set()
                connection._socket.close()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    thread = threading.Thread(target=one, args=(sock,))
                    threads.append(thread)
                    thread.start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()
