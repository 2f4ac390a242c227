"""What the soak calls flat, and a small one on real processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.soak import Soak, main
from tests.support.triton import require


def soak(memory: list[float], *, kinds: dict[str, int] | None = None, files_after: int = 20, leaked: int = 0) -> Soak:
    samples = [(100 * n, each) for n, each in enumerate(memory)]
    counts = kinds or {"ok": 800, "left": 200}
    return Soak(100 * len(memory), counts, 10.0, samples, [20, 40], 20, files_after, leaked)


RUNS = {
    "flat": (soak([90, 95, 100, 100, 101, 100, 102, 103, 102, 104]), ""),
    "grows": (soak([90, 95, 100, 101, 102, 103, 104, 105, 105, 106]), "memory went from 100.0 to 106.0 MiB, +6.0%"),
    "growth-before-is-warm-up": (soak([10, 50, 100, 100, 100, 100, 100, 100, 100, 100]), ""),
    "an-answer-that-failed": (soak([100] * 10, kinds={"ok": 1, "503": 1}), "neither good nor left: {'503': 1}"),
    "files": (soak([100] * 10, files_after=30), "open files went from 20 to 30"),
    "slots": (soak([100] * 10, leaked=2), "2 generations never ended"),
}


@pytest.mark.parametrize(("run", "missed"), RUNS.values(), ids=RUNS)
def test_goals(run: Soak, missed: str) -> None:
    sentences = run.missed()
    assert len(sentences) == bool(missed)
    assert missed in "".join(sentences)
    assert run.json()["passed"] == (not missed)


@pytest.mark.timeout(180)
def test_a_small_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require("pytriton")
    main(["--requests", "60", "--clients", "6", "--output", str(tmp_path / "soak")])
    run = json.loads((tmp_path / "soak.json").read_text("utf-8"))
    assert sum(run["kinds"].values()) == 60
    assert set(run["kinds"]) <= {"ok", "left"}
    assert run["leaked"] == 0
    assert (tmp_path / "soak.md").read_text("utf-8").splitlines()[2] in capsys.readouterr().out
