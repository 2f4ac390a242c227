"""The generator's command line against a real gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.__main__ import main
from tests.loadtest.conftest import Place


@pytest.mark.parametrize("loop", [["--clients", "4"], ["--rate", "50"]], ids=["closed", "open"])
def test_figures(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], loop: list[str]) -> None:
    command = [place.gateway.url, "--model", "scripted", "--requests", "8", "--max-tokens", "5", "--gap-ms", "1"]
    command += ["--pid", str(place.gateway.pid), "--json", str(tmp_path / "figures.json")]
    assert main([*command, *loop]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert (figures["asked"], figures["kinds"], figures["frames"]) == (8, {"ok": 8}, 40)
    assert figures["processes"]["files_after"] > 0
    assert "| asked | saw  |" in capsys.readouterr().out


def test_answers_that_fail_are_told_by_the_exit_code(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([place.gateway.url, "--model", "nobody", "--requests", "2"]) == 1
    assert "2 404" in capsys.readouterr().out


def test_some_leave(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    command = [place.gateway.url, "--model", "scripted", "--requests", "6", "--leave", "1", "--leave-within", "0.05"]
    assert main([*command, "--gap-ms", "200"]) == 0
    assert "6 left" in capsys.readouterr().out
