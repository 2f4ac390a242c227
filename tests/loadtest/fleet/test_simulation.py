"""Runs of the whole simulation, small ones: the books balance, seeds decide, faults are seen, and what the figures
claim holds where it is plain."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, median

import pytest

from loadtest.fleet.__main__ import main
from loadtest.fleet.measures import Figures, figures, medians, quantile
from loadtest.fleet.policies import NAMES, balancer
from loadtest.fleet.report import plot, table
from loadtest.fleet.simulation import Scenario, Simulation
from loadtest.fleet.study import STUDIES, Study, run
from loadtest.fleet.workload import MAX_TOKENS, conversations

SMALL = Scenario(4, seconds=20.0, warm_seconds=5.0)


def simulated(policy: str, scenario: Scenario = SMALL, seed: int = 1) -> Figures:
    asked = conversations(tritons=scenario.tritons, seconds=scenario.seconds, load=scenario.load, seed=seed)
    return figures(Simulation(scenario, asked, lambda chance: balancer(policy, chance), seed).run())


def test_the_workload_is_what_it_says() -> None:
    asked = conversations(tritons=20, seconds=200.0, load=0.5, seed=3)
    assert asked == conversations(tritons=20, seconds=200.0, load=0.5, seed=3)
    assert [each.begins for each in asked] == sorted(each.begins for each in asked)
    assert mean(len(each.turns) for each in asked) == pytest.approx(4, rel=0.1)
    answers = [turn.answer_tokens for each in asked for turn in each.turns]
    assert median(answers) == pytest.approx(170, rel=0.1)
    assert max(answers) <= MAX_TOKENS
    assert len(asked) / 200 == pytest.approx(0.5 * 20 / 0.31 / 4, rel=0.3)


def test_arrivals_come_in_bursts() -> None:
    asked = conversations(tritons=20, seconds=300.0, load=0.5, seed=3)
    counts = [sum(second <= each.begins < second + 1 for each in asked) for second in range(300)]
    calm = median(counts)
    assert sum(count > 2 * calm for count in counts) > 20


@pytest.mark.parametrize("policy", NAMES)
def test_every_policy_serves_and_seeds_decide(policy: str) -> None:
    first = simulated(policy)
    assert first == simulated(policy)
    assert first.requests > 10
    assert first.lost == first.broken == first.tried_again == 0
    assert 0 < first.hit_rate < 1


def test_affinity_finds_caches_that_chance_misses() -> None:
    assert simulated("default").hit_rate > simulated("random").hit_rate + 0.15


def test_deaths_are_seen_and_what_had_not_started_is_saved() -> None:
    dying = Scenario(6, seconds=30.0, warm_seconds=5.0, die_share=0.34)
    found = simulated("default", dying)
    assert found.tried_again > 0
    assert found.lost == 0


def test_a_slow_half_gets_less() -> None:
    found = simulated("default", Scenario(6, seconds=40.0, warm_seconds=15.0, slow_share=0.5, load=0.5))
    assert 0 < found.slow_share < 0.3


def test_several_gateways_share_the_tritons() -> None:
    found = simulated("default", Scenario(6, seconds=25.0, warm_seconds=5.0, gateways=3, sessions=True))
    assert found.requests > 10
    assert found.lost == 0


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_studies_have_distinct_rows_that_can_run(study: Study) -> None:
    assert len({row.label for row in study.rows}) == len(study.rows) > 1
    for row in study.rows:
        balancer(row.policy, lambda: 0.5, row.options)
        assert row.scenario.warm_seconds < row.scenario.seconds


def test_rows_run_in_order_and_tell_of_their_progress() -> None:
    rows = STUDIES[0].rows[:2]
    small = Study("small", "Small", tuple(type(row)(row.label, SMALL, row.policy) for row in rows))
    heard: list[tuple[int, int]] = []
    found = run(small, (1, 2), done=lambda number, of: heard.append((number, of)))
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found[1] == medians([simulated(rows[1].policy, seed=seed) for seed in (1, 2)])


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, 0.0), ([3.0, 1.0, 2.0], 0.5, 2.0), ([5.0], 0.99, 5)]
)
def test_quantiles(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


def test_a_table_shows_faults_only_where_there_are_any() -> None:
    calm = Figures(10, 0.5, 0.1, 0.2, 0.3, 20, 30, 0.4, 0, 0, 0, 0)
    assert "lost" not in table(["a"], [calm])
    faulty = table(["a", "b"], [calm, Figures(10, 0.5, 0.1, 0.2, 0.3, 20, 30, 0.4, 0.25, 3, 1, 2)])
    header, _, first, second = faulty.splitlines()
    assert "lost" in header
    assert "25.0%" in second
    assert len({len(line) for line in (header, first, second)}) == 1


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--policies", "random", "default"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "## 6 Tritons"
    assert [line.split("|")[1].strip() for line in lines[2:6]][2:] == ["random", "default"]


def test_the_command_measures_what_a_lease_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cost", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["10"] * 3 + ["1,000"] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tritons", "0"], "--tritons must be 1 to 1000"),
        (["--load", "0"], "--load must be above 0"),
        (["--policies", "none"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err


def test_plots_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the bench extra is not installed")
    calm = Figures(10, 0.5, 0.1, 0.2, 0.3, 20, 30, 0.4, 0, 0, 0, 0)
    plot("Two", ["a", "b"], [calm, calm], tmp_path / "two.png")
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
