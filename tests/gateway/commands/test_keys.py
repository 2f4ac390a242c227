"""The command that makes keys."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.commands.keys import append
from gateway.core.keys import hashed
from gateway.keys import read
from tests.gateway.core.test_keys import table
from tests.support.gateway import GATEWAY


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    stdout: str
    stderr: str


Keys = Callable[..., Done]


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keys:
    """``gateway keys`` in an empty folder. ``given``: its standard input."""

    def run(*flags: str, given: str = "") -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        code = main(["keys", *flags])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


def test_the_installed_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(GATEWAY), "keys", "new", "alice"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert read(tmp_path / "keys.toml").find(done.stdout.strip().encode())


def test_a_key_is_printed_once_and_its_hash_kept(keys: Keys, tmp_path: Path) -> None:
    made = keys("new", "alice")
    assert made.code == 0, made.stderr
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


def test_all_that_can_be_said_of_a_key(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "k.toml"
    path.write_text("# ours\n")
    flags = ["--model", "q", "--model", "e", "--requests-per-minute", "60", "--tokens-per-minute", "1000"]
    flags += ["--max-streams", "2", "--priority", "low", "--admin", "--expires", "2027-01-31"]
    assert keys("new", "alice", "--file", str(path), *flags).code == 0
    assert keys("new", "bob", "--file", str(path)).code == 0
    listed = keys("list", "--file", str(path)).stdout.splitlines()
    assert listed == [
        "alice requests_per_minute=60 tokens_per_minute=1000 max_streams=2 models=e,q priority=low admin "
        "expires=2027-01-31T00:00:00Z",
        "bob",
    ]
    assert path.read_text().startswith("# ours\n")


def test_a_key_of_one_s_own(keys: Keys) -> None:
    own = "z" * 40
    assert keys("hash", given=f"{own}\n").stdout == f"{hashed(own)}\n"


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
def test_what_is_refused_changes_nothing(keys: Keys, tmp_path: Path, flags: list[str], said: str) -> None:
    assert keys("new", "alice").code == 0
    (tmp_path / "broken.toml").write_text("[[keys]")
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    refused = keys(*flags, given="secret\n")
    assert (refused.code, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_several_at_once_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    names = [f"n{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: append(path, table(name, name * 20)), names))
    assert sorted(key.caller.name for key in read(path).keys) == sorted(names)
