"""The key file while it changes: broken, half-written, gone, back again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.keys import LARGEST, KeyFile
from tests.gateway.core.test_keys import BOB, table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(table())
    return path


def names(file: KeyFile) -> list[str]:
    return [key.caller.name for key in file.keys.keys]


def test_a_change_is_taken_up_once_it_has_settled(path: Path) -> None:
    file = KeyFile(path)
    assert not file.check()
    path.write_text(table() + table("bob", BOB))
    assert not file.check(), "it may still be growing"
    assert file.check()
    assert names(file) == ["alice", "bob"]
    assert not file.check()


def test_half_a_file_that_is_valid_by_itself_is_never_read(path: Path) -> None:
    whole = table() + table("bob", BOB)
    path.write_text(whole)
    file = KeyFile(path)
    for end in range(len(table()), len(whole) + 1, 20):  # a slow writer, looked at between its writes
        path.write_text(whole[:end])
        assert not file.check()
        assert names(file) == ["alice", "bob"]
    path.write_text(whole)
    file.check()
    file.check()
    assert names(file) == ["alice", "bob"]


def replaced(path: Path, text: bytes) -> None:
    path.write_bytes(text)


def removed(path: Path, _: bytes) -> None:
    path.unlink()


def a_folder(path: Path, _: bytes) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path, _: bytes) -> None:
    path.unlink()
    os.mkfifo(path)


BROKEN: list[object] = [
    pytest.param(replaced, b"", "nothing else", id="emptied"),
    pytest.param(replaced, b"[[keys]]\nname = 'ali", "not valid TOML (at end", id="cut"),
    pytest.param(replaced, table()[:-40].encode(), "not valid TOML", id="cut-in-the-hash"),
    pytest.param(replaced, b"\xff\xfe", "not valid TOML", id="not-text"),
    pytest.param(replaced, b"a = " + b"[" * 20_000, "not valid TOML", id="nested"),
    pytest.param(replaced, b"#" * (LARGEST + 1), "larger than", id="huge"),
    pytest.param(removed, b"", "No such file", id="removed"),
    pytest.param(a_folder, b"", "not a regular file", id="a-folder"),
    pytest.param(a_pipe, b"", "not a regular file", id="a-pipe"),
]


@pytest.mark.parametrize(("harm", "text", "said"), BROKEN)
def test_a_broken_file_keeps_the_old_keys_and_is_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path, bytes], None], text: bytes, said: str
) -> None:
    file = KeyFile(path)
    harm(path, text)
    assert not any([file.check() for _ in range(5)])
    assert names(file) == ["alice"]
    (record,) = caplog.records
    assert (record.levelname, said in record.getMessage()) == ("ERROR", True), record.getMessage()
    assert "stay in force" in record.getMessage()
    assert table().split('"')[3] not in caplog.text
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text(table("bob", BOB))
    file.check()
    assert file.check(), "a good file is taken up again"
    assert names(file) == ["bob"]


@pytest.mark.parametrize(("harm", "text", "said"), BROKEN)
def test_a_broken_file_at_the_start_stops_it(
    path: Path, harm: Callable[[Path, bytes], None], text: bytes, said: str
) -> None:
    harm(path, text)
    with pytest.raises(SettingsError) as refused:
        KeyFile(path)
    assert said in refused.value.message
    assert str(path) in refused.value.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(path: Path) -> None:
    path.chmod(0)
    with pytest.raises(SettingsError, match="Permission denied"):
        KeyFile(path)


def test_a_secret_that_is_swapped_by_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text(table("bob", BOB))
    link = tmp_path / "link"
    link.symlink_to(path)
    file = KeyFile(link)
    (tmp_path / "fresh").symlink_to(tmp_path / "new.toml")
    (tmp_path / "fresh").rename(link)
    file.check()
    assert file.check()
    assert names(file) == ["bob"]
