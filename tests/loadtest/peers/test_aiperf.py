"""What is taken from aiperf's export and from our own client, and the table of both."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from loadtest.bench.fronts import BrokenRun
from loadtest.bench.replay import Pace
from loadtest.peers.aiperf import Compared, Seen
from loadtest.peers.peer import Load

EXPORT: dict[str, Any] = {
    "request_count": {"unit": "requests", "avg": 192.0},
    "request_throughput": {"unit": "requests/sec", "avg": 6.25},
    "time_to_first_token": {"unit": "ms", "avg": 52.0, "p50": 51.0, "p99": 55.0},
    "inter_token_latency": {"unit": "ms", "avg": 50.2, "p50": 50.1, "p99": 50.9},
}
OURS: dict[str, Any] = {
    "asked": 192,
    "seconds": 30.0,
    "ttft": {"p50": 50.0, "p99": 54.0, "most": 55.0},
    "ttft_average": 50.5,
    "inter_token": {"p50": 50.1, "p99": 50.5, "average": 50.2},
}


def test_the_same_measures_from_both() -> None:
    assert Seen.of_export(EXPORT) == Seen(192.0, 6.25, 52.0, 51.0, 55.0, 50.2, 50.1, 50.9)
    assert Seen.of_ours(OURS) == Seen(192, 6.4, 50.5, 50.0, 54.0, 50.2, 50.1, 50.5)


@pytest.mark.parametrize("name", EXPORT)
def test_another_version_says_what_is_missing(name: str) -> None:
    export = copy.deepcopy(EXPORT)
    del export[name]
    with pytest.raises(BrokenRun, match=name):
        Seen.of_export(export)


def test_one_row_for_each_measure() -> None:
    ours, theirs = Seen.of_ours(OURS), Seen.of_export(EXPORT)
    compared = Compared("0.13.0", Load("paced", Pace(0.05), 200), ours, theirs, ours)
    text = compared.markdown("Two cores.")
    assert "| ttft p99 " in text
    assert "aiperf 0.13.0" in text
    assert len(text.strip().split("\n")) == 2 + 2 + len(Seen.__slots__)
    assert compared.json()["aiperf"]["ttft_p99"] == 55.0
