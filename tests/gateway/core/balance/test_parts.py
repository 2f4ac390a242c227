"""The parts below the fleet: clock, prefix table, ring, pool, means, options."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from gateway.core.balance import Balance, Endpoint
from gateway.core.balance.clock import Elapsed
from gateway.core.balance.member import Mean, Member
from gateway.core.balance.pool import Pool
from gateway.core.balance.prefix import PrefixTable, boundaries
from gateway.core.balance.ring import Ring
from gateway.core.errors import SettingsError


@pytest.mark.parametrize(
    ("nows", "total"),
    [
        pytest.param([5.0, 6.0, 8.5], 3.5, id="forward"),
        pytest.param([100.0, 3.0, 4.0], 1.0, id="back"),
        pytest.param([0.0, 9.0, 2.0, 2.0, 3.0], 10.0, id="back-and-on"),
    ],
)
def test_time_only_goes_forward(nows: list[float], total: float) -> None:
    clock = Elapsed()
    seen = [clock.at(now) for now in nows]
    assert seen == sorted(seen)
    assert seen[-1] == total


def test_boundaries_grow_by_a_fifth_at_most() -> None:
    found = boundaries(256)
    assert found[:8] == (1, 2, 3, 4, 5, 6, 7, 8)
    assert found[-1] > 256 * 5 / 6
    assert len(found) < 30
    assert all(later - earlier <= max(1, earlier / 5) for earlier, later in pairwise(found))


def test_marks_cover_all_before_them() -> None:
    table = PrefixTable(entries=100, blocks=4, tokens_per_block=2)
    one, two = table.marks([1, 2, 3, 4, 5]), table.marks([1, 2, 9, 4, 5])
    assert [mark.tokens for mark in one] == [2, 4]
    assert one[0] == two[0]
    assert one[1] != two[1]
    assert table.marks([1]) == []
    assert len(table.marks(range(1000))) == 4, "no more blocks than asked for are looked at"


def test_the_table_is_bounded_and_forgets_what_was_not_used() -> None:
    table = PrefixTable(entries=3, blocks=8, tokens_per_block=1)
    kept = table.marks([7])
    table.remember(kept, "a:1")
    for prompt in range(100, 110):
        table.remember(table.marks([prompt]), "b:1")
        table.remember(kept, "a:1")
        assert len(table) <= 3
    assert table.address(kept[0]) == "a:1"
    assert table.address(table.marks([100])[0]) is None


def test_a_ring_moves_only_the_sessions_of_who_left() -> None:
    weights = {f"{number}:1": 1.0 for number in range(10)}
    before = Ring(weights)
    gone = "3:1"
    after = Ring({address: weight for address, weight in weights.items() if address != gone})
    sessions = [f"session {number}" for number in range(500)]
    for session in sessions:
        first, second, *_ = before.homes(session)
        assert next(after.homes(session)) == (second if first == gone else first)
    shares = Counter(next(before.homes(session)) for session in sessions)
    assert len(shares) == 10
    assert max(shares.values()) < 150


def test_a_ring_weighs_and_may_be_empty() -> None:
    ring = Ring({"heavy:1": 4.0, "light:1": 1.0})
    shares = Counter(next(ring.homes(str(number))) for number in range(1000))
    assert shares["heavy:1"] > 2 * shares["light:1"]
    assert list(Ring({}).homes("x")) == []
    assert list(Ring({"one:1": 1.0}).homes("\udcff")) == ["one:1"]


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (1.0, 3.0, 0.5, 0.5)], ids=["equal", "unequal"])
def test_a_pool_draws_by_weight(weights: tuple[float, ...]) -> None:
    pool = Pool(random.Random(3).random)
    members = [Member(Endpoint(f"{n}:1", weight), 0.0, ramp_seconds=0.0) for n, weight in enumerate(weights)]
    for member in members:
        pool.put(member, True)
    counts = Counter(pool.draw().address for _ in range(10_000))
    for member in members:
        assert counts[member.address] / 10_000 == pytest.approx(member.weight / sum(weights), abs=0.02)


def test_a_pool_takes_and_loses_members_in_any_order() -> None:
    rng = random.Random(4)
    pool = Pool(rng.random)
    members = [Member(Endpoint(f"{n}:1"), 0.0, ramp_seconds=0.0) for n in range(20)]
    inside: set[str] = set()
    for _ in range(2000):
        member = rng.choice(members)
        wanted = rng.random() < 0.5
        pool.put(member, wanted)
        (inside.add if wanted else inside.discard)(member.address)
        assert {each.address for each in pool} == inside
        assert len(pool) == len(inside)
        assert not inside or pool.draw().address in inside


def test_a_mean_is_trusted_after_some_samples() -> None:
    mean = Mean()
    for number in range(7):
        mean.add(2.0 + number % 2)
        assert mean.trusted is None
    mean.add(2.0)
    assert mean.trusted == pytest.approx(2.4, abs=0.1)
    for _ in range(100):
        mean.add(10.0)
    assert mean.value == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_requests", -1),
        ("choices", 0),
        ("affinity_load", 0.9),
        ("affinity_share", 1.1),
        ("affinity_entries", 0),
        ("max_ejected_share", -0.1),
        ("slow_eject", 1.5),
        ("eject_seconds", 0.0),
        ("eject_max_seconds", 1.0),
        ("slow_start_seconds", float("nan")),
        ("load_seconds", float("inf")),
    ],
)
def test_wrong_options_are_named(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=rf"\[balance\] {name} must be"):
        Balance(**{name: value})  # type: ignore[arg-type]
