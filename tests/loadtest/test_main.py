"""The generator's command line against a real gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.__main__ import main
from tests.loadtest.conftest import Place


@pytest.mark.parametrize("loop", [["--clients", "4"], ["--rate", "50"]], ids=["closed", "open"])
def test_figures(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], loop: list[str]) -> None:
    command = [place.gateway.url, "--model", "scripted", "--requests", "8", "--max-tokens", "5", "--gap-ms", "40"]
    command += ["--pid", str(place.gateway.pid), "--json", str(tmp_path / "figures.json")]
    assert main([*command, *loop]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert (figures["asked"], figures["kinds"]) == (8, {"ok": 8})
    assert 8 < figures["frames"] <= 40  # tokens that come together are one frame
    assert figures["processes"]["files_after"] > 0
    assert "| asked | saw  |" in capsys.readouterr().out


def test_answers_that_fail_are_told_by_the_exit_code(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([place.gateway.url, "--model", "nobody", "--requests", "2"]) == 1
    assert "2 404" in capsys.readouterr().out


def test_a_scenario(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text('[load]\nclients = 3\n[answer]\ntokens = "uniform:2:4"\ngap_ms = 40\n[prompt]\nwords = 9\n')
    command = [place.gateway.url, "--model", "scripted", "--scenario", str(file), "--requests", "6", "--slow", "0.5"]
    assert main([*command, "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert (figures["asked"], figures["kinds"]) == (6, {"ok": 6})
    assert 12 <= figures["frames"] <= 24
    assert figures["ttft_quantiles_ms"] == sorted(figures["ttft_quantiles_ms"])
    assert "| 6     | 6 ok |" in capsys.readouterr().out


WRONG = {
    "no-address": (["127.0.0.1:9000"], "write http://HOST:PORT"),
    "no-port": (["http://127.0.0.1:x"], "write http://HOST:PORT"),
    "a-length": (["http://h:1", "--max-tokens", "some"], "'some' is no length; write 64"),
    "a-number": (["http://h:1", "--clients", "1.5"], "'1.5' is no whole number"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_wrong_options(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--model", "m"])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--scenario", "none"], "there is no file none"), (["--leave", "2"], "must be from 0 to 1")],
    ids=["no-file", "share"],
)
def test_a_wrong_scenario(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http://127.0.0.1:9", "--model", "m", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_some_leave(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    command = [place.gateway.url, "--model", "scripted", "--requests", "6", "--leave", "1", "--leave-within", "0.05"]
    assert main([*command, "--gap-ms", "200"]) == 0
    assert "6 left" in capsys.readouterr().out
