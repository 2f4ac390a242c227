"""``python -m loadtest.bench`` in its quick form, on real processes; and its end, by itself and by a signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.bench.__main__ import KEYS, chosen, main
from tests.loadtest.interrupting import interrupted
from tests.support.triton import require

ROOT = Path(__file__).parents[3]


def bench(output: Path, *arguments: str) -> tuple[dict[str, dict[str, object]], str]:
    command = [sys.executable, "-m", "loadtest.bench", "--quick", "--output", str(output), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((output / "results.json").read_text("utf-8")), done.stdout


@pytest.mark.timeout(240)
def test_beside_the_emitter(tmp_path: Path) -> None:
    found, printed = bench(tmp_path, "--only", "saturated")
    rows = {row["name"]: row for row in found["sections"]["saturated"]["rows"]}  # type: ignore[attr-defined]
    assert list(rows) == ["emitter", "emitter, a turn each", "h2", "grpc"]
    assert {row["in_front_of"] for row in rows.values()} == {"nothing", "stand-in"}
    for row in rows.values():
        (run,) = row["runs"]
        assert run["tokens"] == 64 * row["tokens"]
        assert run["cpu"] > 0
    # A token of the gateway is no longer than the emitter's; where it merges what comes together, far shorter.
    emitter, h2 = (float(rows[name]["shown"]["bytes/token"]) for name in ("emitter", "h2"))
    assert h2 < 1.1 * emitter
    assert "CPU per token, saturated, × emitter" in printed
    assert (tmp_path / "results.md").read_text("utf-8").startswith("# Bench")


@pytest.mark.timeout(240)
def test_in_front_of_a_real_triton(tmp_path: Path) -> None:
    require("pytriton")
    found, _ = bench(tmp_path, "--only", "routes")
    rows = found["sections"]["routes"]["rows"]  # type: ignore[index]
    assert [row["name"] for row in rows] == ["direct", "direct", "ensemble", "bls"]  # type: ignore[index]
    assert {row["in_front_of"] for row in rows} == {"tritonserver"}  # type: ignore[index]
    assert all(row["runs"][0]["behind_cpu"] > 0 for row in rows)  # type: ignore[index]
    held = rows[1]["runs"][0]  # type: ignore[index]
    assert held["steady_frames"] > 0  # all were going, and left then
    assert held["tokens"] == held["frames"] < 8 * 1500


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["--only", "steps", "--output", str(tmp_path)]
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    interrupted(
        "loadtest.bench", arguments, number, tmp_path, begun=lambda line: ", h2" in line, environment=environment
    )


def test_all_sections_or_some() -> None:
    assert tuple(chosen(None, (1, 2))) == KEYS
    assert list(chosen(["routes", "paced"], (1, 2))) == ["paced", "routes"]


def test_an_unknown_section_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nothing"]) == 2
    assert "there is no section 'nothing'; there are paced, steps" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--workers", "1,1"], ["--workers", "1,x"], ["--runs", "-2"]])
def test_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "argument --" in capsys.readouterr().err
