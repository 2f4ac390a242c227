"""CPU, memory and open files of processes, as Linux tells them in ``/proc``. It knows nothing of what they do."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one or several processes together."""

    cpu_seconds: float  # user and system, since each process began
    rss_bytes: int
    files: int  # open descriptors

    @property
    def rss_mib(self) -> float:
        return self.rss_bytes / 2**20


def usage(pids: Iterable[int]) -> Usage:
    """Now. A process that is gone counts nothing."""
    each = [one for pid in pids if (one := _usage(pid)) is not None]
    return Usage(sum(u.cpu_seconds for u in each), sum(u.rss_bytes for u in each), sum(u.files for u in each))


def family(pid: int) -> list[int]:
    """The process and all that came from it, as long as they live."""
    found = [pid]
    for parent in found:  # grows while it is read
        try:
            text = " ".join(path.read_text() for path in Path(f"/proc/{parent}/task").glob("*/children"))
        except OSError:
            continue
        found += [int(child) for child in text.split() if int(child) not in found]
    return found


def rss_bytes(pids: Iterable[int]) -> int:
    """Resident memory alone, which is quicker to ask for than everything."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return total


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of all threads, the ended ones too, to the nanosecond. A process that is gone counts
    nothing."""
    return sum(_cpu_seconds(pid) for pid in pids)


def _cpu_seconds(pid: int) -> float:
    """Of the process's own clock: ``/proc/PID/stat`` counts in hundredths of a second, which is too coarse here."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) gives on Linux
    except OSError:
        return 0.0


def _usage(pid: int) -> Usage | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    rss = next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return Usage(_cpu_seconds(pid), rss, files)
