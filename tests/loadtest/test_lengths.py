"""How lengths are written, drawn and refused."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path
from random import Random

import pytest

from loadtest.lengths import lengths


def drawn(written: str | int, count: int = 4000) -> list[int]:
    return list(itertools.islice(lengths(written).draws(Random(3)), count))


@pytest.mark.parametrize("written", [64, "64", " 64 "], ids=["number", "text", "spaces"])
def test_all_alike(written: str | int) -> None:
    assert set(drawn(written)) == {64}


def test_uniform() -> None:
    values = drawn("uniform:3:7")
    assert set(values) == {3, 4, 5, 6, 7}
    assert 4.8 < statistics.mean(values) < 5.2


def test_lognormal() -> None:
    values = drawn("lognormal:100:0.5")
    assert 95 < statistics.median(values) < 105
    assert 1.5 < statistics.quantiles(values, n=100)[83] / 100 < 1.8  # one sigma up: e to the 0.5
    assert max(drawn("lognormal:100:2:300")) == 300
    assert min(drawn("lognormal:1:3")) == 1
    assert set(drawn("lognormal:7:0")) == {7}


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "lengths.txt"
    path.write_text("# of a trace\n5\n\n9 # long\n", "utf-8")
    assert drawn(f"file:{path}", 5) == [5, 9, 5, 9, 5]


def test_the_seed_repeats() -> None:
    assert drawn("lognormal:100:0.5") == drawn("lognormal:100:0.5")


WRONG = {
    "nothing": ("", "is no length; write 64, uniform"),
    "zero": ("0", "must be a whole number from 1"),
    "negative": ("-5", "is no length"),
    "unknown": ("zipf:3", "is no length"),
    "too-few": ("uniform:3", "is no length"),
    "backwards": ("uniform:9:3", "write uniform:3:9"),
    "no-number": ("uniform:a:3", "'a' must be a whole number"),
    "sigma": ("lognormal:5:x", "'x' must be a number from 0 to 10"),
    "sigma-nan": ("lognormal:5:nan", "'nan' must be a number from 0 to 10"),
    "most-below-median": ("lognormal:50:1:20", "below its median of 50"),
    "no-file": ("file:/nowhere/at/all", "cannot be read"),
    "huge": ("99999999999", "must be a whole number from 1"),
}


@pytest.mark.parametrize(("written", "words"), WRONG.values(), ids=WRONG)
def test_refused(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        lengths(written)
    assert words in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [("\n# x\n", "holds no length"), ("5\nfive\n", "line 2 of")])
def test_a_file_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "lengths.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=words):
        lengths(f"file:{path}")
