"""The fault matrix in its short form: every scenario of it on real processes, as ``make faults`` plays it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.ask import Ask, Seen
from loadtest.faults.__main__ import chosen, main
from loadtest.faults.account import Account
from loadtest.faults.result import Result, markdown
from loadtest.faults.scenarios import ALL
from tests.loadtest.interrupting import interrupted
from tests.support.triton import require

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """One run of all short scenarios: Tritons and gateways are started once."""
    require("pytriton")
    folder = tmp_path_factory.mktemp("faults")
    command = [sys.executable, "-m", "loadtest.faults", "--short", "--output", str(folder / "table")]
    done = subprocess.run(
        [*command, "--keep", str(folder / "stage"), "--minutes", "5"], cwd=ROOT, capture_output=True, text=True
    )
    if not (folder / "table.json").exists():
        pytest.fail(done.stdout + done.stderr)
    assert (folder / "table.md").read_text("utf-8") in done.stdout
    return {row["scenario"]: row for row in json.loads((folder / "table.json").read_text("utf-8"))}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [scenario.name for scenario in chosen(None, short=True)])
def test_scenario(rows: dict[str, dict[str, object]], name: str) -> None:
    row = rows[name]
    if row["skipped"] and os.environ.get("CI") != "true":
        pytest.skip(str(row["skipped"]))
    assert row["passed"], "; ".join(row["missed"]) or row["skipped"]  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    require("pytriton")
    arguments = ["--short", "--only", "kill-idle", "--keep", str(tmp_path / "stage")]
    interrupted("loadtest.faults", arguments, number, tmp_path, begun=lambda line: line.startswith("[1/1]"))


def test_names_are_of_one_scenario_each() -> None:
    assert len({scenario.name for scenario in ALL}) == len(ALL)


def test_an_unknown_scenario_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "no-such"]) == 2
    assert "there is no scenario 'no-such'; there are kill-idle" in capsys.readouterr().err


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ALL)


def test_a_report_says_what_was_missed() -> None:
    good = Result("a", asked=3, saw={"ok": 2, "left": 1}, tokens_after=4)
    bad = replace(good, scenario="b", missed=("1 lost",))
    report = markdown([good, bad, Result("c", skipped="no redis")], machine="m", command="x")
    assert "Missed: b." in report
    assert "1 left, 2 ok" in report
    assert "MISSED: 1 lost" in report
    assert "not run: no redis" in report
    assert [r.json()["passed"] for r in (good, bad)] == [True, False]


def test_an_account_follows_journals(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text(_line("start", "before", 0))
    account = Account([journal])
    with journal.open("a") as file:
        file.write(_line("start", "a", 0) + _line("start", "b", 0) + _line("end", "a", 7) + '{"event": "st')
    left = Seen(Ask(b"", name="a"), text="abc", left_at=1.0)
    assert account.running() == ["b"]
    assert account.tokens_after_leaving([left]) == 4
    assert account.shares({"a", "b", "before"}) == [2]
    journal.rename(tmp_path / "journal.1")
    journal.write_text(_line("start", "c", 0))
    assert account.running() == ["c"]


def _line(event: str, tag: str, emitted: int) -> str:
    return json.dumps({"event": event, "tag": tag, "emitted": emitted, "time": 0.0}) + "\n"
