"""The table says what the checks found, and the exit code goes by it."""

from __future__ import annotations

import json

import pytest

from tests.clients.result import COLUMNS, Check, Result, exit_code, markdown, reason, verdict

GOOD = Result("good", "1.0", (Check("plain", "create"), Check("streaming", "stream")))
BAD = Result("bad", "2.0", (Check("plain", "create"), Check("tools", "one"), Check("tools", "two", "E: no|call")))
ABSENT = Result("absent", not_tried="no such release")


def row(result: Result) -> list[str]:
    line = next(line for line in markdown([result], command="x").splitlines() if line.startswith(f"| {result.client}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize(
    ("result", "cells"),
    [
        pytest.param(GOOD, ["good", "1.0", "✓", "✓", "–", "–", "–", "–"], id="works"),
        pytest.param(BAD, ["bad", "2.0", "✓", "–", "✗", "–", "–", "–"], id="one-of-two-fails"),
        pytest.param(ABSENT, ["absent", "not tried", "", "", "", "", "", ""], id="not-tried"),
    ],
)
def test_a_row(result: Result, cells: list[str]) -> None:
    assert row(result) == cells


@pytest.mark.parametrize(
    ("results", "code", "words"),
    [
        pytest.param([GOOD], 0, "Every client that was tried works (1).", id="good"),
        pytest.param([GOOD, ABSENT], 0, "Every client that was tried works (1).", id="one-not-tried"),
        pytest.param([GOOD, BAD, ABSENT], 1, "1 of 2 clients failed: bad.", id="one-failed"),
        pytest.param([ABSENT], 1, "Nothing was tried.", id="nothing-tried"),
    ],
)
def test_the_verdict(results: list[Result], code: int, words: str) -> None:
    assert (exit_code(results), verdict(results)) == (code, words)


def test_what_failed_or_was_not_tried_has_its_reason() -> None:
    report = markdown([GOOD, BAD, ABSENT], command="x")
    assert "- bad, tools (two): E: no|call" in report
    assert "- absent was not tried: no such release" in report
    assert "good," not in report


def test_the_same_reason_in_several_columns_is_one_line() -> None:
    broken = Result("b", checks=tuple(Check(column, "program", "it ended") for column in COLUMNS))
    assert broken.remarks() == [f"b, {', '.join(COLUMNS)} (program): it ended"]


TRACE = "Traceback (most recent call last):\n  File x\n    raise KeyError\nKeyError: 'a'\n\n  asked: {}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param("KeyError: 'a'", "KeyError: 'a'", id="one-line"),
        pytest.param(TRACE, "KeyError: 'a'", id="traceback"),
        pytest.param("  indented alone", "indented alone", id="indented"),
        pytest.param("", "no reason was given", id="nothing"),
        pytest.param("x" * 400, "x" * 299 + "…", id="long"),
    ],
)
def test_the_reason_is_one_line(wrong: str, said: str) -> None:
    assert reason(wrong) == said


def test_json_has_all_there_is() -> None:
    read = json.loads(json.dumps(BAD.json()))
    assert read["failed"] is True
    assert read["cells"]["tools"] == "✗"
    assert read["checks"][2] == {"column": "tools", "name": "two", "wrong": "E: no|call"}
    assert ABSENT.json()["cells"] == {}
