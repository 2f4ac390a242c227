"""Figures of many answers, and the table."""

from __future__ import annotations

from array import array

import pytest

from loadtest.ask import Ask, Seen
from loadtest.summary import percentile, summarize, table

ASK = Ask(b"{}")


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (Seen(ASK, status=200, whole=True), "ok"),
        (Seen(ASK, status=200, whole=True, error="data: {}"), "error frame"),
        (Seen(ASK, status=200, error="cut: x"), "cut"),
        (Seen(ASK, status=503, whole=True, error="{}"), "503"),
        (Seen(ASK, error="refused: x"), "refused"),
        (Seen(ASK, status=200, left_at=1.0), "left"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_kinds(seen: Seen, kind: str) -> None:
    assert seen.kind == kind


def test_a_summary() -> None:
    good = Seen(
        ASK, sent=1.0, first=1.1, ended=2.0, gaps=array("d", [0.2, 0.4]), status=200, whole=True, frames=3, bytes=30
    )
    summary = summarize([good, Seen(ASK, sent=2.0, ended=3.0, error="refused: x")])
    assert (summary.asked, summary.kinds, summary.seconds) == (2, {"ok": 1, "refused": 1}, 2.0)
    assert (summary.ttft.p50, summary.gap.p50, summary.gap.p99, summary.end.most) == (100.0, 200.0, 400.0, 1000.0)
    assert (summary.frames, summary.frames_per_second, summary.bytes) == (3, 1.5, 30)


def test_nothing_asked() -> None:
    assert summarize([]).ttft.p50 is None


def test_percentiles() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]


def test_a_table() -> None:
    rows = [{"what": "a|b", "ms": 1.25}, {"what": "c", "ms": None}]
    assert table(rows) == "| what | ms  |\n|------|-----|\n| a/b  | 1.2 |\n| c    | –   |"
