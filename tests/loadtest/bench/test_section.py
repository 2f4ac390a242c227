"""Medians, ratios, goals and reports: from figures to words."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from loadtest.bench.figures import Distribution, Figures, figures
from loadtest.bench.goals import Goal, goals
from loadtest.bench.section import Row, Section, pair, rounded
from loadtest.bench.streams import SIZES, gap
from loadtest.bench.workers import enough_cores, sides, together

BASE = Figures(
    requests=10,
    tokens=1000,
    frames=500,
    bytes=230_000,
    seconds=2.0,
    cpu=0.05,
    behind_cpu=0.01,
    client_cpu=0.02,
    ttft=Distribution.of([0.05, 0.06, 0.07]),
    gap=Distribution.of([0.05] * 99 + [0.06]),
    steady_cpu=0.02,
    steady_frames=400,
    rss_before=100_000_000,
    rss_most=164_000_000,
)


def cpu(*seconds: float) -> list[Figures]:
    return [replace(BASE, cpu=each) for each in seconds]


def test_what_is_derived() -> None:
    assert (round(BASE.cpu_us, 6), BASE.rate, BASE.frame_tokens, BASE.token_bytes) == (50, 500, 2, 230)
    assert BASE.steady_us == pytest.approx(50)
    assert BASE.request_ms == pytest.approx(2.5)  # 50 ms less 500 frames of 50 µs
    assert (BASE.ttft_p50, BASE.ttft_p99) == (60, 70)
    assert replace(BASE, steady_frames=0).request_ms is None


def test_a_distribution() -> None:
    found = Distribution.of([n / 1000 for n in range(1, 1001)])
    assert (found.p50, found.p99) == (500, 990)
    assert (len(found.steps), found.steps[0], found.steps[-1]) == (201, 1, 1000)
    assert Distribution.of([]) == Distribution()


def test_figures_cross_a_process_boundary() -> None:
    assert figures(json.loads(json.dumps(asdict(BASE)))) == BASE


def test_ratios_are_within_one_run() -> None:
    # The machine was twice as slow in the second run: the ratio is the same there, that of the medians is not.
    row = Row("h2", "stand-in", cpu(0.02, 0.06, 0.033), cpu(0.01, 0.03, 0.01))
    assert row.ratio("cpu_us") == pytest.approx(2.0)
    assert row.median("cpu_us") == pytest.approx(33)
    assert Row("h2", "stand-in", cpu(0.02), ()).ratio("cpu_us") is None


def test_what_is_added() -> None:
    slow = replace(BASE, ttft=Distribution.of([0.08]))
    assert Row("h2", "stand-in", [slow], [BASE]).added("ttft_p99") == pytest.approx(10)


def test_memory_of_a_stream() -> None:
    row = Row("h2", "stand-in", [BASE], more={"streams": 1000})
    assert row.stream_kb == 64
    assert Row("h2", "stand-in", [replace(BASE, steady_frames=0)], more={"streams": 1000}).stream_kb is None
    assert Row("h2", "stand-in", [BASE]).stream_kb is None


def test_words() -> None:
    assert (rounded(1.256, 2), rounded(None, 1), pair(1, 2.25), pair(None, 2)) == ("1.26", None, "1.0 / 2.2", None)


def section(key: str, *rows: Row, skipped: tuple[str, ...] = ()) -> Section:
    columns = (("name", lambda row: row.name), ("µs", lambda row: rounded(row.median("cpu_us"), 1)))
    return Section(key, "Title", columns, rows, ("A note.",), skipped)


def test_a_section_as_text_and_json() -> None:
    found = section("paced", Row("h2", "stand-in", cpu(0.05), more={"streams": 64}), skipped=("grpc: no such library",))
    assert "| h2   | 50.0 |" in found.text()
    assert "Not measured: grpc: no such library\nA note.\n" in found.text()
    row = found.json()["rows"][0]
    assert (row["in_front_of"], row["streams"], row["shown"], row["runs"][0]["cpu"]) == (
        "stand-in",
        64,
        {"name": "h2", "µs": "50.0"},
        0.05,
    )


def goal(of: dict[str, Section], what: str) -> Goal:
    return next(each for each in goals(of) if each.what == what)


RATIOS = {"reached": (1.1, True, ""), "near": (1.5, False, "1.8: reached"), "far": (2.0, False, "1.8: missed")}


@pytest.mark.parametrize(("ratio", "reached", "milestone"), RATIOS.values(), ids=RATIOS)
def test_a_goal(ratio: float, reached: bool, milestone: str) -> None:
    row = Row("h2", "stand-in", cpu(0.05 * ratio), cpu(0.05))
    found = goal({"paced": section("paced", row)}, "CPU per token, paced, × emitter")
    assert (found.figure, found.reached) == (f"{ratio:.2f}", reached)
    assert milestone in str(found.row()[""])


def test_what_was_not_measured_is_not_judged() -> None:
    found = goals({})
    assert {each.reached for each in found} == {None}
    assert {each.row()[""] for each in found} == {"not measured "}


@pytest.mark.parametrize(
    ("cores", "rate", "reached"), [(2, 1900, None), (16, 1900, True), (16, 1500, False)], ids=["few", "good", "bad"]
)
def test_the_goal_of_workers(cores: int, rate: float, reached: bool | None) -> None:
    one, two = replace(BASE, seconds=1.0), replace(BASE, seconds=1000 / rate)
    rows = [
        Row("h2", "stand-in", [run], [one], {"workers": n, "cores": cores, "first": 1})
        for n, run in ((1, one), (2, two))
    ]
    found = goal({"workers": section("workers", *rows)}, "throughput, 2 workers × 1 worker")
    assert (found.figure, found.reached) == (f"{rate / 1000:.2f}", reached)


def test_clients_that_ran_at_once_are_one() -> None:
    found = together([BASE, replace(BASE, seconds=4.0, cpu=0.06)])
    assert (found.tokens, found.seconds, found.cpu, found.client_cpu) == (2000, 4.0, 0.06, 0.04)


def test_sides_of_workers() -> None:
    assert [sides(most) for most in (1, 2, 4, 8)] == [1, 1, 2, 4]
    assert (enough_cores(2, 2), enough_cores(8, 16)) == (False, True)


@pytest.mark.parametrize(
    ("frames", "figure"), [(1280, "1.00"), (2560, None), (640, None)], ids=["kept", "fast", "slow"]
)
def test_the_goal_of_streams_needs_their_pace(frames: int, figure: str | None) -> None:
    one = replace(BASE, steady_seconds=1.0, steady_frames=1280)
    other = replace(one, steady_frames=frames, steady_cpu=one.steady_cpu * frames / 1280)
    rows = [Row("h2", "stand-in", [run], more={"streams": n}) for n, run in ((64, one), (1000, other))]
    assert goal({"streams": section("streams", *rows)}, "cost of a token, 1,000 streams × 64 streams").figure == figure


def test_all_numbers_of_streams_have_as_many_tokens_a_second() -> None:
    assert [round(size / gap(size)) for size in SIZES[1:]] == [1280] * 4
    assert gap(1) == 0.005
