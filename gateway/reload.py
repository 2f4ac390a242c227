"""Settings that change while the gateway runs: read again when their files change, refused where they are wrong.

It knows files and how to read settings from them. It must not know what becomes of new settings.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable

from gateway.core.errors import SettingsError
from gateway.settings import Settings

logger = logging.getLogger("gateway")

LOOK_SECONDS = 1.0

# A file as it is now: time of change in ns, size, inode; None where it is not there.
_Stamp = tuple[int, int, int] | None


class SettingsFile:
    """The settings in force, and the files that they come from."""

    def __init__(self, read: Callable[[], Settings], paths: Callable[[Settings], tuple[str, ...]]) -> None:
        """Reads them for the first time. ``paths``: the files that settings come from, by the settings themselves."""
        self._read = read
        self._paths = paths
        self.settings = read()
        self._known = self._seen = self._look()

    def changed(self) -> bool:
        """Whether files differ from when they were read, and are as they were at the last look: not half-written."""
        now, before = self._look(), self._seen
        self._seen = now
        return now == before and now != self._known and None not in now

    def read(self) -> Settings:
        """The settings as they are now. SettingsError leaves the old ones in force, until files change again."""
        self._known = self._seen = self._look()
        self.settings = self._read()
        self._known = self._seen = self._look()
        return self.settings

    def _look(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp(path) for path in self._paths(self.settings))


async def updates(source: SettingsFile, asked: asyncio.Event) -> AsyncGenerator[Settings, None]:
    """New settings whenever files change, and when ``asked`` is set, which clears it. Wrong ones are logged."""
    while True:
        try:
            await asyncio.wait_for(asked.wait(), LOOK_SECONDS)
        except asyncio.TimeoutError:
            if not source.changed():
                continue
        asked.clear()
        try:
            settings = source.read()
        except SettingsError as error:
            logger.error("the settings stay as they were: %s", error.message)
        else:
            yield settings


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
