"""One of several serving processes, as ``workers`` starts it: with a socket, a number, and a line to its parent.

It knows what is said over that line: settings come in, as the parent read and checked them; out go "serving", "alive",
"changed" and "failed". It must not know other workers. A parent that is gone is an order to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pickle
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import AsyncGenerator

import uvloop
from prometheus_client import values

from gateway import logs
from gateway.child import LENGTH, METRICS_FOLDER
from gateway.core.errors import SettingsError
from gateway.metrics import Metrics
from gateway.serve import serve
from gateway.settings import Settings

logger = logging.getLogger("gateway")

ALIVE_SECONDS = 5.0


class Line:
    """The line to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self.parted = False

    def first(self) -> Settings:
        """The settings to start with."""
        (length,) = LENGTH.unpack(self._socket.recv(LENGTH.size, socket.MSG_WAITALL))
        return _settings(self._socket.recv(length, socket.MSG_WAITALL))

    async def updates(self) -> AsyncGenerator[Settings, None]:
        """Later settings, until the parent is gone."""
        reader, writer = await asyncio.open_connection(sock=self._socket.dup())
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                yield _settings(await reader.readexactly(length))
        self.parted = True

    def say(self, word: str) -> None:
        with contextlib.suppress(OSError):  # the parent is gone: ``updates`` ends
            self._socket.send(word.encode() + b"\n")

    async def beat(self) -> None:
        """Says that the event loop turns."""
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            self.say("alive")


def main() -> int:
    """The process. Its arguments: its number, and the descriptors of its port and its line."""
    number, listener, line = int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), Line(int(sys.argv[3]))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the parent's to act on
    settings = line.first()
    logs.configure(settings.server.log_level, settings.server.log_format, f"worker-{number}")
    # Values lie in files named by the worker's number, not its process: a replaced worker counts on.
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    folder = os.environ[METRICS_FOLDER]
    try:
        uvloop.run(_serve(settings, listener, line, folder, number))
    except SettingsError as error:
        return _failed(line, f"gateway: {error.message}", 2)
    except Exception:
        return _failed(line, traceback.format_exc().rstrip(), 1)
    finally:
        if line.parted:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


async def _serve(settings: Settings, listener: socket.socket, line: Line, folder: str, number: int) -> None:
    beating = asyncio.ensure_future(line.beat())
    try:
        await serve(
            settings,
            listener,
            Metrics(folder, number),
            updates=line.updates(),
            started=lambda: line.say("serving"),
            changed=lambda: line.say("changed"),
        )
    finally:
        beating.cancel()


def _failed(line: Line, text: str, code: int) -> int:
    line.say("failed " + json.dumps({"text": text, "code": code}))
    return code


def _settings(data: bytes) -> Settings:
    settings = pickle.loads(data)  # from the parent, over a pair of sockets that nobody else has
    assert isinstance(settings, Settings)
    return settings
