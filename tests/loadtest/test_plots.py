"""Plots are PNG files of a size that can be looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.plots import distributions, lines
from tests.support.triton import require

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def _matplotlib() -> None:
    require("matplotlib")


@pytest.mark.parametrize("steps", [[1.0, 2.0, 50.0], [0.0, 0.0, 3.0], [5.0]], ids=["usual", "zeros", "one"])
def test_distributions(tmp_path: Path, steps: list[float]) -> None:
    distributions(tmp_path / "new" / "ttft.png", "TTFT", {"ours": steps, "floor": [1.0, 1.0]}, "milliseconds")
    assert (tmp_path / "new" / "ttft.png").read_bytes().startswith(PNG)


def test_lines(tmp_path: Path) -> None:
    lines(tmp_path / "cpu.png", "CPU", {"ours": [(1, 50.0), (1000, 60.0)], "none": []}, "streams", "µs", log=True)
    found = (tmp_path / "cpu.png").read_bytes()
    assert found.startswith(PNG)
    assert len(found) > 5000
