"""What tritonserver's log says: which models are loaded, why it did not start, and that it crashed.

Pure text in, values out. Log lines are for people and change between releases, so what is found here is only
ever shown, never acted upon; an unknown log gives its last error line. The one exception is the line of a crash, after
which nothing can be asked of the server any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOADING = re.compile(r'"loading: ([^":]+):\d+"|loading: ([^\s":]+):\d+')
_LOADED = re.compile(r"successfully loaded '([^']+)'")
_FAILED = re.compile(r"failed to load '([^']+)' version \d+: (.*)")
_REPOSITORY_ERROR = re.compile(r"model_repository_manager\.cc:\d+\] \"?(.*)")
_BUSY = re.compile(r"Socket '([^']+)' already in use")
_ERROR_LINE = re.compile(r"^E\d{4} [\d:.]+ \d+ \S+\] \"?(.*?)\"?$")
_PARSE_ERROR = re.compile(r"Error parsing text-format \S+: (.*)")
_STATUS_PREFIX = re.compile(r"^(?:Internal|Invalid argument|Unavailable|Not found)\b[:\s-]*")
# A Python exception comes with its traceback, whose line ends are written as backslash and n.
_LINE_END = re.compile(r"\\n|\n")
# What Triton's own handler of SIGABRT and SIGSEGV says, alone on its line, before it looks at the stack.
_CRASHED = re.compile(rb"^Signal \((6|11)\) received\.\r?$", re.MULTILINE)
_HARMLESS = ("CudaDriverHelper", "unable to create stream", "unable to create cuda")


@dataclass(frozen=True, slots=True)
class Loading:
    """Model names in the order the log gave them."""

    loaded: tuple[str, ...]
    waiting: tuple[str, ...]


def loading(log: str) -> Loading:
    loaded = tuple(dict.fromkeys(match[1] for match in _LOADED.finditer(log)))
    begun = dict.fromkeys(match[1] or match[2] for match in _LOADING.finditer(log))
    return Loading(loaded, tuple(name for name in begun if name not in loaded))


def reason(log: str) -> str | None:
    """The first cause in the log, as one line; None if it names none."""
    failed = _FAILED.search(log)
    if failed:
        return f"model {failed[1]} did not load: {_plain(failed[2])}"
    busy = _BUSY.search(log)  # after the models: a rank whose model failed meets the ports of the first rank
    if busy:
        return f"the address {busy[1]} is already in use"
    broken = next((m for m in _REPOSITORY_ERROR.finditer(log) if _is_error(log, m)), None)
    if broken:
        detail = _PARSE_ERROR.search(log)
        return _plain(broken[1]) + (f" ({_plain(detail[1])})" if detail else "")
    errors = [match[1] for match in map(_ERROR_LINE.match, log.splitlines()) if match]
    errors = [error for error in errors if not any(noise in error for noise in _HARMLESS)]
    if errors:
        return _plain(errors[0])
    last = [
        line for line in log.splitlines() if line.startswith(("error:", "failed to")) or "error while loading" in line
    ]
    return _plain(last[0].removeprefix("error: ")) if last else None


def crash(log: bytes) -> int | None:
    """The signal by which the server crashed: SIGABRT or SIGSEGV."""
    found = _CRASHED.search(log)
    return int(found[1]) if found else None


def _is_error(log: str, match: re.Match[str]) -> bool:
    start = log.rfind("\n", 0, match.start()) + 1
    return log.startswith("E", start)


def _plain(text: str) -> str:
    return _LINE_END.split(_STATUS_PREFIX.sub("", text.strip()).strip('"'))[0].strip()
