"""A command at a terminal of its own, and somebody who types.

It knows pseudo-terminals. It must not know the commands.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CTRL_C, CTRL_D = "\x03", "\x04"
PATIENCE = 30.0
_OWN = re.compile(r"\x1b\[\?2004[hl]")  # bracketed paste, which readline itself switches


@dataclass(slots=True)
class Terminal:
    """``wait_for`` reads on where the last one ended."""

    process: subprocess.Popen[bytes]
    master: int
    seen: str = ""
    _rest: str = ""
    _held: bytes = field(default=b"")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, while the command waits for something. readline notices signals only in what it waits with: one that
        comes between its prompt and that stays unnoticed until the next key, which a person would press."""
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < deadline, "it never waits"
        self.type(CTRL_C)

    def wait_for(self, text: str) -> str:
        """What was written, up to and with the text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self._rest:
            assert time.monotonic() < deadline, f"{text!r} was not written: {self.seen!r}"
            assert self._read(1.0) is not False, f"it ended before {text!r}: {self.seen!r}"
        before, _, self._rest = self._rest.partition(text)
        return before + text

    def end(self) -> int:
        """Reads to the end of the command; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(1.0) is not False:
            assert time.monotonic() < deadline, f"it does not end: {self.seen!r}"
        return self.process.wait(timeout=PATIENCE)

    def _read(self, seconds: float) -> bool | None:
        """False where the command has closed the terminal, None where nothing came."""
        if not select.select([self.master], [], [], seconds)[0]:
            return None
        try:
            data = self._held + os.read(self.master, 65536)
        except OSError:
            return False
        whole = data.decode("utf-8", "ignore")
        self._held = data[len(whole.encode()) :]
        text = _OWN.sub("", whole)
        self.seen += text
        self._rest += text
        return bool(data)


@contextlib.contextmanager
def terminal(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[Terminal]:
    """The command in the foreground of a terminal, so that Ctrl-C reaches it as people send it."""
    process, master = _started(command, {"TERM": "xterm", **environ})
    try:
        yield Terminal(process, master)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)


def _started(command: Sequence[str], environ: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    master, slave = pty.openpty()

    def own_terminal() -> None:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "OPENAI_API_KEY", "OPENAI_BASE_URL")
    }
    process = subprocess.Popen(
        list(command), stdin=slave, stdout=slave, stderr=slave, env=kept | dict(environ), preexec_fn=own_terminal
    )
    os.close(slave)
    return process, master
