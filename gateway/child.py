"""One serving process, as its parent holds it: started with a socket, told its settings, heard, and timed.

It knows the process, the line to it, and its socket. It must not know other workers, nor what its words mean.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass, field

from gateway.settings import Settings

LENGTH = struct.Struct(">I")  # before each settings that a worker is told
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # as prometheus_client reads it
# A worker finds the modules that its parent found, whatever folder this was started in. What it loads stays: ``serve``.
_START = (
    "import gc, sys; gc.disable(); sys.path[:] = sys.argv.pop(1).split(':'); "
    "from gateway.worker import main; sys.exit(main())"
)


@dataclass(slots=True)
class Child:
    """A worker's place: its socket is the same whichever process has it. Times are monotonic seconds."""

    index: int
    listener: socket.socket
    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None
    serving_since: float | None = None
    silent_ticks: int = 0
    crashes: int = 0
    start_at: float = 0.0
    _received: bytearray = field(default_factory=bytearray)

    @property
    def running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self.process is not None and self.process.poll() is None

    def start(self, settings: Settings, folder: str) -> socket.socket:
        """A process in this place, and its line, which is to be listened to. ``folder``: where it counts."""
        self.control, theirs = socket.socketpair()
        arguments = [":".join(sys.path), str(self.index), str(self.listener.fileno()), str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, *arguments],
                env=os.environ | {METRICS_FOLDER: folder},
                pass_fds=(self.listener.fileno(), theirs.fileno()),
                start_new_session=True,  # Ctrl-C is for the parent, which then asks the workers once
            )
        self.serving_since, self.silent_ticks = None, 0
        self._received.clear()
        self.send(settings)
        return self.control

    def send(self, settings: Settings) -> None:
        """Tells the settings, if it is there to hear them."""
        if self.control is not None:
            with contextlib.suppress(OSError):  # it ended: seen on the parent's next turn
                data = pickle.dumps(settings)
                self.control.sendall(LENGTH.pack(len(data)) + data)

    def lines(self) -> list[bytes] | None:
        """What it said since the last time; None where it will say nothing any more. Waits if nothing came."""
        assert self.control is not None
        try:
            data = self.control.recv(65536)
        except OSError:
            data = b""
        if not data:
            return None
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = bytearray(rest)
        return [bytes(line) for line in lines]

    def hang_up(self) -> None:
        """Closes the line to it."""
        if self.control is not None:
            self.control.close()
            self.control = None
