"""What a program wrote is read whole, and one that ended early has failed what it announced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.play import read
from tests.clients.result import COLUMNS, Result


def lines(*objects: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


HEAD = {"version": "1.2", "columns": ["plain", "tools"]}
PLAIN = {"column": "plain", "name": "create", "wrong": None}
TOOLS = {"column": "tools", "name": "loop", "wrong": None}


def cells(result: Result) -> str:
    return "".join(result.cell(column) for column in COLUMNS)


@pytest.mark.parametrize(
    ("results", "ended", "version", "table"),
    [
        pytest.param(lines(HEAD, PLAIN, TOOLS), "", "1.2", "✓–✓–––", id="whole"),
        pytest.param(lines(HEAD, PLAIN, {**TOOLS, "wrong": "E"}), "", "1.2", "✓–✗–––", id="failed"),
        pytest.param(lines(HEAD, PLAIN), "ended with -9", "1.2", "✓–✗–––", id="killed"),
        pytest.param(lines(HEAD, PLAIN), "", "1.2", "✓–✗–––", id="silent"),
        pytest.param(lines(HEAD, PLAIN) + '{"column": "too', "ended", "1.2", "✓–✗–––", id="half-a-line"),
        pytest.param("", "ended with 1", "pinned", "✗✗✗✗✗✗", id="never-began"),
        pytest.param(lines(HEAD, PLAIN, TOOLS), "ended with 1", "1.2", "✓–✗–––", id="bad-end"),
    ],
)
def test_results_are_read(results: str, ended: str, version: str, table: str) -> None:
    result = read("c", results, ended, "pinned")
    assert (result.version, cells(result)) == (version, table)
    assert all(ended in str(check.wrong) for check in result.checks if check.name == "program")
