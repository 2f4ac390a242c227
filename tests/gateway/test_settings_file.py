"""Settings files as they change on disk: whole, half-written, gone, replaced, wrong."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.reload import SettingsFile, updates
from gateway.settings import Settings


class Disk:
    """A file of one line, which is the name of the only model."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gateway.toml"
        self.tried = asyncio.Event()
        self.write("one")
        self.source = SettingsFile(self.read, lambda _: (str(self.path),))

    def read(self) -> Settings:
        self.tried.set()
        try:
            name = self.path.read_text()
        except OSError as exc:
            raise SettingsError("gone") from exc
        return Settings.read({"models": [{"name": name, "tokenizer": "t"}]}, {}, {}, folder=Path("/"))

    def write(self, name: str) -> None:
        self.path.write_text(name)

    def touch(self, seconds: int) -> None:
        os.utime(self.path, (seconds, seconds))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_a_change_counts_once_it_stands_still(disk: Disk) -> None:
    assert not disk.source.changed()
    disk.write("second")
    assert not disk.source.changed(), "somebody may be writing still"
    assert disk.source.changed()
    assert disk.source.read().names == ["second"]
    assert not disk.source.changed()
    assert disk.source.settings.names == ["second"]


def test_a_file_that_is_gone_is_waited_for(disk: Disk) -> None:
    disk.path.unlink()
    assert [disk.source.changed() for _ in range(3)] == [False] * 3
    disk.write("back")
    assert [disk.source.changed() for _ in range(2)] == [False, True]


def test_a_file_of_the_same_size_and_time_is_seen_by_its_inode(disk: Disk, tmp_path: Path) -> None:
    disk.touch(1)
    disk.source.read()
    fresh = tmp_path / "fresh"
    fresh.write_text("two")
    os.utime(fresh, (1, 1))
    fresh.replace(disk.path)
    assert [disk.source.changed() for _ in range(2)] == [False, True]


def test_a_wrong_one_is_tried_once(disk: Disk) -> None:
    disk.write("")
    assert [disk.source.changed() for _ in range(2)] == [False, True]
    with pytest.raises(SettingsError):
        disk.source.read()
    assert [disk.source.changed() for _ in range(3)] == [False] * 3
    assert disk.source.settings.names == ["one"]


async def test_whoever_asks_is_answered_at_once_and_wrong_ones_are_left_out(disk: Disk) -> None:
    asked = asyncio.Event()
    async with aclosing(updates(disk.source, asked)) as coming:
        asked.set()
        assert (await anext(coming)).names == ["one"]
        disk.write("")
        disk.tried.clear()
        following = asyncio.ensure_future(anext(coming))
        asked.set()
        await asyncio.wait_for(disk.tried.wait(), 10)
        disk.write("third")
        asked.set()
        assert (await asyncio.wait_for(following, 10)).names == ["third"]
