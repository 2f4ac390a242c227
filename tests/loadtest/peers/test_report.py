"""The table and the document, of figures written here."""

from __future__ import annotations

import json

from loadtest.bench.figures import Distribution, Figures
from loadtest.bench.replay import Pace
from loadtest.peers.catalog import PEERS
from loadtest.peers.peer import Load, Peer
from loadtest.peers.report import document, markdown, rows
from loadtest.peers.turns import Standing

PACED, SATURATED = Load("paced", Pace(0.05), 200, floor="floor"), Load("saturated", Pace(0.0), 1000, floor="slow")
ENDING = "what it does for a token, or why there are no figures"


def peer(name: str) -> Peer:
    return Peer(name, PEERS[0].start, f"does what {name} does")


def run(cpu: float, *, tokens: int = 1000, frames: int = 1000) -> Figures:
    """``cpu``: microseconds for each token."""
    times = Distribution((), 50.0, 60.0)
    return Figures(64, tokens, frames, 1, 2.0, cpu * tokens / 1e6, 0.0, 0.0, times, times, rss_most=50 * 2**20)


STANDINGS = {
    PACED: [
        Standing("floor", runs=[run(20), run(10), run(90)]),
        Standing("whole", "1.2", runs=[run(40, frames=500)]),
        Standing("half", "3.4", runs=[run(30)]),
        Standing("absent", reason="not installed: pip: no | such thing"),
    ],
    SATURATED: [
        Standing("slow", runs=[run(4)]),
        Standing("floor", runs=[run(2)]),
        Standing("whole", "1.2", runs=[run(6)]),
        Standing("half", "3.4", reason="did not answer: 3 500"),
        Standing("absent", reason="not installed: pip: no | such thing"),
    ],
}
NAMES = [peer(name) for name in ("floor", "whole", "half", "absent", "slow")]


def test_ratios_are_of_medians_at_the_same_load() -> None:
    floor, whole, *_ = rows(STANDINGS, NAMES)
    assert (floor["paced: CPU"], floor["× floor (paced)"]) == ("20.0", "1.00")
    assert (whole["paced: CPU"], whole["× floor (paced)"]) == ("40.0", "2.00")
    assert (whole["saturated: CPU"], whole["× slow (saturated)"]) == ("6.0", "1.50")
    assert whole["frames/token (paced)"] == "0.50"
    assert whole["TTFT p50/p99 ms (paced)"] == "50/60"
    assert (whole["version"], whole["RSS MiB"]) == ("1.2", "50")


def test_what_has_no_figures_has_its_reason() -> None:
    _, _, half, absent, slow = rows(STANDINGS, NAMES)
    assert half["paced: CPU"] == "30.0"
    assert half["saturated: CPU"] == half["× slow (saturated)"] == "–"
    assert half[ENDING] == "does what half does; saturated: did not answer: 3 500"
    assert absent["paced: CPU"] == absent["version"] == absent["RSS MiB"] == "–"
    assert absent[ENDING] == "does what absent does; not installed: pip: no | such thing"  # once, not for each load
    # What is not of a load has neither figures nor a reason there.
    assert (slow["paced: CPU"], slow["saturated: CPU"], slow[ENDING]) == ("–", "4.0", "does what slow does")


def test_without_a_floor_there_are_no_ratios() -> None:
    without = {PACED: [Standing("floor", reason="did not answer: cut"), *STANDINGS[PACED][1:]]}
    row = rows(without, NAMES)[1]
    assert (row["paced: CPU"], row["× floor (paced)"]) == ("40.0", "–")


def test_what_is_of_another_load_has_no_row() -> None:
    found = rows({PACED: STANDINGS[PACED]}, NAMES)
    assert [row["front end"] for row in found] == ["floor", "whole", "half", "absent"]


def test_one_table_and_its_words() -> None:
    text = markdown(STANDINGS, NAMES, runs=3, machine="Two cores.")
    words, _, *table = text.strip().split("\n")
    assert "Median of 3" in words
    assert "64 streams of 200 tokens, 50 ms between them, each at its own moment" in words
    assert len(table) == 2 + len(NAMES)
    assert len({line.count("|") for line in table}) == 1  # a reason with a bar in it makes no column


def test_the_document_is_json_and_whole() -> None:
    whole = json.loads(json.dumps(document(STANDINGS, NAMES, runs=3, machine="Two cores.")))
    assert [load["load"]["name"] for load in whole["loads"]] == ["paced", "saturated"]
    floor, *_, absent = whole["loads"][0]["front_ends"]
    assert floor["median"]["cpu_per_token"] == 20.0
    assert len(floor["runs"]) == 3
    assert absent["median"] is None
    assert absent["reason"].startswith("not installed")
