"""What the system says of processes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path


def gone(pid: int) -> bool:
    """Whether it has ended, be it that nobody has taken notice yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:  # it may go before the file is opened, or after
        return True


def freeze(process: subprocess.Popen[bytes]) -> None:
    """Stops a child. It stands still when this returns, where a signal alone lets its threads go on for a moment."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
