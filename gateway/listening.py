"""The port that clients come to, as sockets. It knows addresses; it must not know who serves behind them."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from collections.abc import Sequence
from contextlib import ExitStack

from gateway.core.errors import SettingsError

BACKLOG = 2048
# Of Linux; Python's socket module lacks them.
SO_ATTACH_REUSEPORT_CBPF = 51
SO_DETACH_REUSEPORT_BPF = 68


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; taken first, because loading a tokenizer takes seconds. SettingsError where it is taken."""
    try:
        return _bound(host, port)
    except OSError as exc:
        raise _refused(host, port, exc) from exc


def listen_each(host: str, port: int, count: int) -> list[socket.socket]:
    """One listening socket for each of several processes, all on one port: the kernel deals connections out to them.

    Measured with 64 connections: of two processes the busier one got 33 to 37 (medians 33 and 34), and 35 to 56
    (medians 40 and 45) where both accepted from one inherited socket, because whoever wakes first takes all that wait.
    Streams last long, so what is dealt out badly stays so.
    """
    with ExitStack() as opened:
        try:
            with _bound(host, port) as alone:  # is refused where another program has the port, shared or not
                port = alone.getsockname()[1]
            sockets = [opened.enter_context(_bound(host, port, shared=True)) for _ in range(count)]
        except OSError as exc:
            raise _refused(host, port, exc) from exc
        opened.pop_all()
    return sockets


def deal_to(sockets: Sequence[socket.socket], live: Sequence[int]) -> None:
    """New connections go to these of the sockets only, by their numbers; those that wait at another stay there.

    Where the system knows no such thing, some connections wait until somebody serves their socket again.
    """
    option, value = SO_DETACH_REUSEPORT_BPF, struct.pack("i", 0)
    program: ctypes.Array[ctypes.c_char] | None = None
    if 0 < len(live) < len(sockets):
        program = _chosen(live)
        option = SO_ATTACH_REUSEPORT_CBPF
        value = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(program))
    with contextlib.suppress(OSError):
        sockets[0].setsockopt(socket.SOL_SOCKET, option, value)


def _chosen(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_char]:
    """One of the numbers by chance, as a program of the kernel's packet filter: code, jumps for yes and no, value."""
    code = struct.pack("HBBI", 0x20, 0, 0, 0xFFFFF000 + 56)  # a random number
    code += struct.pack("HBBI", 0x94, 0, 0, len(numbers))  # modulo
    for index, number in enumerate(numbers):
        code += struct.pack("HBBI", 0x15, 0, 1, index)  # if it is this index
        code += struct.pack("HBBI", 0x06, 0, 0, number)  # return
    code += struct.pack("HBBI", 0x06, 0, 0, numbers[0])
    return ctypes.create_string_buffer(code, len(code))


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)


def _refused(host: str, port: int, exc: OSError) -> SettingsError:
    return SettingsError(
        f"Cannot listen on {host}:{port}: {exc.strerror or exc}. Choose another with --host and --port."
    )
