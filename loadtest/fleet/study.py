"""The comparisons that RESULTS.md reports: rows of scenario and policy, and the running of them.

It knows what is compared and seeds; it must not know how results are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context

from gateway.core.balance import Balance
from loadtest.fleet.measures import Figures, figures, medians
from loadtest.fleet.policies import NAMES, balancer
from loadtest.fleet.simulation import Scenario, Simulation
from loadtest.fleet.workload import conversations


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    label: str
    scenario: Scenario
    policy: str
    options: Balance | None = None  # instead of the policy's


@dataclass(frozen=True, slots=True)
class Study:
    """One table."""

    name: str
    title: str
    rows: tuple[Row, ...]


def compared(name: str, title: str, scenario: Scenario, policies: Sequence[str] = NAMES) -> Study:
    return Study(name, title, tuple(Row(policy, scenario, policy) for policy in policies))


def varied(name: str, title: str, scenario: Scenario, option: str, values: Sequence[float | bool]) -> Study:
    """The default with one option changed."""
    rows = (
        Row(f"{option} {value}", scenario, "default", replace(Balance(), **{option: value}))  # type: ignore[arg-type]
        for value in values
    )
    return Study(name, title, tuple(rows))


_MANY = Scenario(16, load=1.0, seconds=45.0, warm_seconds=15.0)
_FEW_POLICIES = ("random", "round robin", "tokens of two", "prefix", "default")
STUDIES = (
    compared("10", "10 Tritons", Scenario(10, load=1.0, seconds=45.0, warm_seconds=15.0)),
    compared("16", "16 Tritons", _MANY),
    compared("100", "100 Tritons", Scenario(100, load=1.0, seconds=24.0, warm_seconds=8.0), _FEW_POLICIES),
    compared(
        "1000",
        "1,000 Tritons",
        Scenario(1000, load=1.0, seconds=12.0, warm_seconds=4.0),
        ("random", "tokens of two", "default"),
    ),
    compared("full", "16 Tritons, asked for more than they can do", replace(_MANY, load=1.6), _FEW_POLICIES),
    compared(
        "gateways",
        "16 Tritons, four gateways that know nothing of each other",
        replace(_MANY, gateways=4),
        ("tokens of two", "tokens of eight, pace", "homes", "prefix", "default"),
    ),
    compared(
        "sessions",
        "The same four gateways, and clients that name their sessions",
        replace(_MANY, gateways=4, sessions=True),
        ("homes", "default"),
    ),
    compared(
        "slow",
        "16 Tritons, half of them five times slower",
        replace(_MANY, load=0.6, slow_share=0.5),
        ("random", "round robin", "tokens of two", "tokens of two, pace", "default"),
    ),
    varied(
        "pace",
        "The same slow half, with and without following the pace",
        replace(_MANY, load=0.6, slow_share=0.5),
        "follow_pace",
        (False, True),
    ),
    varied(
        "eject",
        "Two of 16 Tritons thirty times slower: ejected from so many times on",
        replace(_MANY, load=0.6, slow_share=0.1, slower=30.0),
        "slow_eject",
        (0.0, 4.0, 8.0, 16.0),
    ),
    compared(
        "deaths",
        "Three of 16 Tritons die and come back",
        replace(_MANY, load=0.7, die_share=0.2),
        ("random", "round robin", "tokens of two", "default"),
    ),
    varied("choices", "How many are drawn", _MANY, "choices", (1, 2, 4, 8)),
    varied("affinity_load", "When affinity yields: times the mean", _MANY, "affinity_load", (1.0, 1.25, 1.5, 2.0, 4.0)),
    varied(
        "affinity_free_tokens",
        "When affinity yields: always allowed",
        _MANY,
        "affinity_free_tokens",
        (0, 2048, 4096, 8192, 16384),
    ),
    varied("affinity_share", "How much of a prompt must be known", _MANY, "affinity_share", (0.1, 0.3, 0.5, 0.7)),
    varied(
        "affinity_entries", "How large the affinity table is", _MANY, "affinity_entries", (500, 2000, 8000, 131_072)
    ),
)


def run(
    study: Study, seeds: Sequence[int], *, jobs: int = 1, done: Callable[[int, int], None] = lambda done, of: None
) -> list[Figures]:
    """The rows' medians. ``done`` hears of every run that ended."""
    tasks = [(row, seed) for row in study.rows for seed in seeds]
    found: list[Figures] = []
    if jobs == 1:
        for number, task in enumerate(tasks, 1):
            found.append(_run(task))
            done(number, len(tasks))
    else:
        with get_context("spawn").Pool(jobs) as pool:
            for number, result in enumerate(pool.imap(_run, tasks), 1):
                found.append(result)
                done(number, len(tasks))
    count = len(seeds)
    return [medians(found[begin : begin + count]) for begin in range(0, len(found), count)]


def _run(task: tuple[Row, int]) -> Figures:
    row, seed = task
    scenario = row.scenario
    asked = conversations(tritons=scenario.tritons, seconds=scenario.seconds, load=scenario.load, seed=seed)
    return figures(Simulation(scenario, asked, lambda chance: balancer(row.policy, chance, row.options), seed).run())
