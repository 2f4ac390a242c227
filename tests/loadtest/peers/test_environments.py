"""Environments on a real venv and a real pip; what is installed is written here, so that no registry is asked."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from loadtest.peers.environments import NotInstalled, Wanted, prepare


def wheel(folder: Path, *, requires: str = "") -> str:
    """A distribution with one module in it."""
    path = folder / "peer_of_tests-1.5-py3-none-any.whl"
    facts = "Metadata-Version: 2.1\nName: peer-of-tests\nVersion: 1.5\n"
    if requires:
        facts += f"Requires-Dist: {requires}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("peer_of_tests.py", "")
        archive.writestr("peer_of_tests-1.5.dist-info/METADATA", facts)
        archive.writestr("peer_of_tests-1.5.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("peer_of_tests-1.5.dist-info/RECORD", "")
    return str(path)


def test_made_once_and_used_again(tmp_path: Path) -> None:
    told: list[str] = []
    root, wanted = tmp_path / "root", Wanted("peer", (("--no-index", "--no-deps", wheel(tmp_path)),))
    environment = prepare(root, wanted, told.append)
    assert environment.version("peer-of-tests") == "1.5"
    assert environment.version("something-else") == ""
    made = environment.folder.stat().st_ino
    assert prepare(root, wanted, told.append).folder.stat().st_ino == made
    # One that was interrupted, or is of other versions, has no record that fits.
    (environment.folder / "installed.json").write_text("{", "utf-8")
    (environment.folder / "left").touch()
    assert not (prepare(root, wanted, told.append).folder / "left").exists()


REFUSED = {
    "what-there-is-not": (("--no-index", "peer-of-tests-that-nobody-wrote"), "Could not find a version"),
    "what-asks-for-torch": (("--no-index", "{wheel}"), "conflicting dependencies"),
}


@pytest.mark.parametrize(("call", "reason"), REFUSED.values(), ids=REFUSED)
def test_the_reason_is_one_line(tmp_path: Path, call: tuple[str, ...], reason: str) -> None:
    given = tuple(each.format(wheel=wheel(tmp_path, requires="torch")) for each in call)
    with pytest.raises(NotInstalled, match=reason) as caught:
        prepare(tmp_path / "root", Wanted("peer", (given,)), lambda _: None)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "root" / "peer.log").exists()


def test_time_is_up(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="not installed in time"):
        prepare(tmp_path, Wanted("peer", ()), lambda _: None, seconds=0.0)
