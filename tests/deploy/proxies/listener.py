"""A port that does what no gateway can be made to do on demand, and keeps what came: for what a proxy sends, and when.

It knows HTTP/1.1 with a Content-Length, and /readyz.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

READY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@dataclass(frozen=True, slots=True)
class Came:
    """A request. ``connection``: the number of the connection that it came by."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(slots=True)
class Listener:
    """``reply``: the bytes that answer a request; None ends the connection without a word."""

    reply: Callable[[Came], bytes | None]
    came: list[Came] = field(default_factory=list)
    port: int = 0  # 0: any that is free
    ready: bytes = READY  # the answer to /readyz
    _socket: socket.socket = field(init=False)
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Listener:
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self.port = self._socket.getsockname()[1]
        self._run(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for each in [self._socket, *self._open]:
            with contextlib.suppress(OSError):  # it is closed
                each.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            self._run(self._serve, connection, len(self._open))

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, connection.makefile("rb") as file:
                while (line := file.readline().decode("latin-1").strip()) != "":
                    headers: dict[str, str] = {}
                    while (text := file.readline().decode("latin-1").strip()) != "":
                        name, _, value = text.partition(":")
                        assert name.lower() not in headers, f"{name} came twice"
                        headers[name.lower()] = value.strip()
                    came = Came(line, headers, file.read(int(headers.get("content-length", 0))), number)
                    if "/readyz" in line:
                        connection.sendall(self.ready)
                        continue
                    self.came.append(came)
                    reply = self.reply(came)
                    if reply is None:
                        return
                    connection.sendall(reply)
        except OSError:  # the proxy went away
            pass
