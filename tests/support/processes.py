"""What the system says of processes."""

from __future__ import annotations

from pathlib import Path


def gone(pid: int) -> bool:
    """Whether it has ended, be it that nobody has taken notice yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:  # it may go before the file is opened, or after
        return True
