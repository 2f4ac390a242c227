"""The key file while the gateway serves: read at the start, read again when it changes.

It knows files. What they mean is in ``core.keys``, who is let in is decided in ``http.access``. A file that cannot be
read, or that is not whole, changes nothing: the keys that were read before stay in force, and the log says so once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
from pathlib import Path

from gateway.core.errors import SettingsError
from gateway.core.keys import Keys, read_keys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

logger = logging.getLogger("gateway.keys")

LARGEST = 16 * 1024 * 1024  # bytes; tens of thousands of keys

# Of one state of the file: its inode, size and times. Text: why it has none.
Stamp = tuple[int, int, int, int] | str


class KeyFile:
    """The keys of a file, as last read whole."""

    def __init__(self, path: Path) -> None:
        """Reads it. SettingsError where that fails: a gateway that was told to have keys never starts without."""
        self._path = path
        self._stamp = _stamp(path)  # of what was read last, well or not
        self._last = self._stamp  # of the last look
        self.keys = read(path)

    def check(self) -> bool:
        """Looks at the file and reads it if it changed. Whether new keys are in force.

        A change is read only when the look before saw the same: a file that is being written is left alone, because
        its first half may be a valid file with half of the keys.
        """
        stamp = _stamp(self._path)
        settled, self._last = stamp == self._last, stamp
        return settled and stamp != self._stamp and self.reload()

    def reload(self) -> bool:
        """Reads the file now. Whether new keys are in force; if not, the old ones stay."""
        self._stamp = self._last = _stamp(self._path)
        try:
            keys = read(self._path)
        except SettingsError as error:
            logger.error("%s The keys of before stay in force.", error.message)
            return False
        if keys == self.keys:
            return False
        before = {key.caller.name for key in self.keys.keys}
        after = {key.caller.name for key in keys.keys}
        self.keys = keys
        logger.info(
            "keys read again: %d in force, %d of them new, %d gone",
            len(after),
            len(after - before),
            len(before - after),
        )
        return True

    async def watch(self, seconds: float) -> None:
        """Looks every so many seconds, until cancelled. In a thread: the file may be on a slow disk."""
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.check)


def read(path: Path) -> Keys:
    """The keys of a file. SettingsError says in one sentence what is wrong with it."""
    try:
        text = _text(path)
    except OSError as exc:
        raise SettingsError(
            f"The key file {path} cannot be read: {exc.strerror or exc}. `gateway keys new NAME` makes one."
        ) from exc
    try:
        return read_keys(tomllib.loads(text.decode()))
    except (ValueError, RecursionError) as exc:  # their text may quote the file; that it is not TOML says enough
        raise SettingsError(f"The key file {path} is not valid TOML{_place(exc)}.") from None
    except SettingsError as error:
        raise SettingsError(f"The key file {path} is wrong: {error.message}") from None


def _text(path: Path) -> bytes:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(None, "it is not a regular file")
    with open(path, "rb", opener=_at_once) as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise OSError(None, f"it is larger than {LARGEST} bytes")
    return text


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe put in its place would block for ever


def _place(exc: BaseException) -> str:
    """Where the file is broken, if the parser says so: "(at line 3, column 1)"."""
    _, found, place = str(exc).rpartition("(at ")
    return f" (at {place}" if found else ""


def _stamp(path: Path) -> Stamp:
    try:
        state = os.stat(path)
    except OSError as exc:
        return exc.strerror or "unreadable"
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
