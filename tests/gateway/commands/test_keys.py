"""The command that makes keys, run as users run it."""

from __future__ import annotations

import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.core.keys import hashed
from gateway.keys import read
from tests.support.gateway import GATEWAY


def keys(*flags: str, folder: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(GATEWAY), "keys", *flags]
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_a_key_is_printed_once_and_its_hash_kept(tmp_path: Path) -> None:
    made = keys("new", "alice", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    path = tmp_path / "keys.toml"
    assert key.startswith("qtg-")
    assert key not in path.read_text()
    assert key not in made.stderr
    found = read(path).find(key.encode())
    assert found is not None
    assert found.caller.name == "alice"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keys.toml"]


def test_all_that_can_be_said_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "k.toml"
    path.write_text("# ours\n")
    flags = ["--model", "q", "--model", "e", "--requests-per-minute", "60", "--tokens-per-minute", "1000"]
    flags += ["--max-streams", "2", "--priority", "low", "--admin", "--expires", "2027-01-31"]
    assert keys("new", "alice", "--file", str(path), *flags, folder=tmp_path).returncode == 0
    assert keys("new", "bob", "--file", str(path), folder=tmp_path).returncode == 0
    listed = keys("list", "--file", str(path), folder=tmp_path).stdout.splitlines()
    assert listed == [
        "alice requests_per_minute=60 tokens_per_minute=1000 max_streams=2 models=e,q priority=low admin "
        "expires=2027-01-31T00:00:00Z",
        "bob",
    ]
    assert path.read_text().startswith("# ours\n")


def test_a_key_of_one_s_own(tmp_path: Path) -> None:
    own = "z" * 40
    assert keys("hash", folder=tmp_path, given=f"{own}\n").stdout == f"{hashed(own)}\n"


REFUSED = [
    pytest.param(["new", "a b"], "letters, digits", id="name"),
    pytest.param(["new", "alice"], "same name", id="name-twice"),
    pytest.param(["new", "bob", "--requests-per-minute", "-1"], "'requests_per_minute' must be", id="negative"),
    pytest.param(["new", "bob", "--expires", "soon"], "--expires 'soon'", id="expires"),
    pytest.param(["new", "bob", "--expires", "2027-99-99"], "not be valid TOML", id="no-such-day"),
    pytest.param(["new", "bob", "--file", "absent/keys.toml"], "cannot be written", id="no-such-folder"),
    pytest.param(["new", "bob", "--file", "broken.toml"], "left as it is", id="broken-file"),
    pytest.param(["list", "--file", "absent.toml"], "cannot be read", id="no-such-file"),
    pytest.param(["hash"], "at least 32", id="short"),
]


@pytest.mark.parametrize(("flags", "said"), REFUSED)
def test_what_is_refused_changes_nothing(tmp_path: Path, flags: list[str], said: str) -> None:
    assert keys("new", "alice", folder=tmp_path).returncode == 0
    (tmp_path / "broken.toml").write_text("[[keys]")
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    refused = keys(*flags, folder=tmp_path, given="secret\n")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_several_at_once_lose_no_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda number: keys("new", f"n{number}", folder=tmp_path), range(6)))
    found = [read(tmp_path / "keys.toml").find(one.stdout.strip().encode()) for one in made]
    assert [key.caller.name for key in found if key] == [f"n{number}" for number in range(6)]
