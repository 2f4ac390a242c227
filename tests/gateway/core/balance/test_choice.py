"""Who is chosen: load, weights, limits, sessions, prefixes."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from gateway.core.balance import Balance, Endpoint, Fleet, Load, Outcome, Work
from tests.gateway.core.balance.fleets import fleet, lease, state, work

PLAIN = {"prefix_affinity": False, "session_affinity": False, "shared_homes": False}


def test_of_two_the_less_loaded_takes_it() -> None:
    two = fleet("ab", **PLAIN)
    lease(two, 1.0, work(tokens=4000))
    heavy = next(each.address for each in two.states(1.0) if each.in_flight)
    taken = [lease(two, 1.0, work(tokens=8)).address for _ in range(20)]
    assert taken.count(heavy) <= 1  # two draws may both be the heavy one, rarely


def test_load_spreads_over_many() -> None:
    many = fleet("abcdefghijklmnop", **PLAIN)
    for _ in range(1600):
        lease(many, 1.0)
    counts = [each.in_flight for each in many.states(1.0)]
    assert sum(counts) == 1600
    assert max(counts) - min(counts) <= 8


@pytest.mark.parametrize("choices", [2, 3])
def test_weights_share_the_work(choices: int) -> None:
    weighed = fleet("", choices=choices, **PLAIN)
    weighed.update([Endpoint("a:1", 6.0), Endpoint("b:1", 1.0), Endpoint("c:1", 1.0)], 0.0)
    for _ in range(800):
        lease(weighed, 100.0)
    counts = {each.address: each.in_flight for each in weighed.states(100.0)}
    assert counts["a:1"] == pytest.approx(600, abs=40)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_counts_as_one(weight: float) -> None:
    one = fleet("")
    one.update([Endpoint("a:1", weight)], 0.0)
    assert one.states(0.0)[0].weight == 1.0
    assert lease(one, 0.0).address == "a:1"


def test_outstanding_tokens_fall_with_progress_and_end_at_none() -> None:
    one = fleet("a")
    made = lease(one, 0.0, work(tokens=100, max_tokens=10))
    seen = [state(one, "a:1", 0.0).outstanding_tokens]
    one.first(made, 1.0)
    seen.append(state(one, "a:1", 1.0).outstanding_tokens)
    for _ in range(3):
        one.progress(made, 5, 2.0)
        seen.append(state(one, "a:1", 2.0).outstanding_tokens)
    one.release(made, 3.0, Outcome.OK)
    seen.append(state(one, "a:1", 3.0).outstanding_tokens)
    assert seen == [110, 10, 5, 1, 1, 0]


def test_what_answers_were_long_is_expected_of_the_next() -> None:
    one = fleet("a")
    made = lease(one, 0.0, Work([1], 4000))
    assert made.output == 256
    one.progress(made, 40, 1.0)
    one.release(made, 1.0, Outcome.OK)
    assert lease(one, 2.0, Work([1], 4000)).output == 40
    assert lease(one, 2.0, Work([1], 7)).output == 7


@pytest.mark.parametrize(
    ("options", "leases"),
    [
        pytest.param({"max_requests": 2}, 4, id="requests"),
        pytest.param({"max_tokens": 40}, 4, id="tokens"),
        pytest.param({"max_tokens": 1}, 2, id="larger-than-the-limit"),
    ],
)
def test_limits_of_an_endpoint(options: dict[str, int], leases: int) -> None:
    two = fleet("ab", **PLAIN, **options)
    made = [lease(two, 1.0) for _ in range(leases)]  # of 16 tokens each
    assert two.lease(work(), 1.0) is None
    two.release(made[0], 1.0, Outcome.CANCELLED)
    assert two.room(1.0)
    assert lease(two, 1.0).address == made[0].address


def test_room_is_none_at_the_limit_of_requests() -> None:
    one = fleet("a", max_requests=1)
    made = lease(one, 1.0)
    assert not one.room(1.0)
    one.release(made, 1.0, Outcome.OK)
    assert one.room(1.0)


def test_excluded_endpoints_are_not_chosen_and_all_excluded_is_none() -> None:
    three = fleet("abc")
    assert {lease(three, 1.0, exclude=("a:1", "b:1")).address for _ in range(50)} == {"c:1"}
    assert three.lease(work(), 1.0, exclude=("a:1", "b:1", "c:1")) is None
    assert fleet("").lease(work(), 1.0) is None


def test_a_prompt_follows_its_prefix() -> None:
    many = fleet("abcdefgh")
    for number in range(40):
        start = 1000 * number
        homes = set()
        for turn in range(1, 6):
            made = lease(many, 1.0, work(tokens=40 * turn, start=start))
            homes.add(made.address)
            assert (made.cached_tokens > 0) == (turn > 1)
            many.release(made, 1.0, Outcome.OK)
        assert len(homes) == 1


def test_a_short_match_is_not_followed() -> None:
    many = fleet("abcdefgh", affinity_share=0.5)
    shared = list(range(8))  # two blocks of a prompt of twenty
    homes = Counter(
        lease(many, 1.0, Work([*shared, *range(1000 * n, 1000 * n + 72)], 8)).address for n in range(1, 161)
    )
    assert len(homes) == 8


def test_prefix_affinity_yields_to_load() -> None:
    four = fleet("abcd", affinity_free_tokens=0, affinity_load=1.5)
    for _ in range(200):
        lease(four, 1.0, work(tokens=80))  # always the same prompt
    counts = [each.in_flight for each in four.states(1.0)]
    # Cached tokens are not outstanding, so the counts may differ more than the tokens do.
    tokens = [each.outstanding_tokens for each in four.states(1.0)]
    assert min(counts) > 0
    assert max(tokens) <= 1.5 * sum(tokens) / 4 + 100


def test_affine_work_waits_for_no_more_than_it_saves() -> None:
    four = fleet("abcd")
    taken = [lease(four, 1.0, work(tokens=80)).address for _ in range(20)]
    assert len(set(taken[:4])) == 1
    assert len(set(taken)) > 1


def test_a_session_goes_home_in_every_gateway_and_yields_to_load() -> None:
    one, two = fleet("abcdef", seed=1, affinity_free_tokens=100), fleet("abcdef", seed=2, affinity_free_tokens=100)
    for number in range(30):
        asked = work(session=f"user {number}", start=1000 * number)
        first, second = lease(one, 1.0, asked), lease(two, 1.0, asked)
        assert first.address == second.address
        one.release(first, 1.0, Outcome.OK)
        two.release(second, 1.0, Outcome.OK)
    hot = [lease(one, 1.0, work(session="hot", start=10_000 * n)).address for n in range(100)]
    assert len(set(hot)) > 1


def test_others_load_counts_while_it_is_new() -> None:
    two = fleet("ab", **PLAIN, load_seconds=10.0)
    two.measured("a:1", Load(running=50, waiting=10, kv_used_fraction=0.9), 1.0)
    two.measured("gone:1", Load(running=50), 1.0)
    assert state(two, "a:1", 1.0).load.waiting == 10
    busy = Counter(lease(two, 2.0).address for _ in range(20))
    assert busy["b:1"] >= 19
    later = Counter(lease(two, 60.0).address for _ in range(40))
    assert later["a:1"] >= 19


def test_our_own_load_is_not_counted_twice() -> None:
    two = fleet("ab", **PLAIN)
    for _ in range(20):
        lease(two, 1.0)
    ours = {each.address: each.in_flight for each in two.states(1.0)}
    for address, count in ours.items():
        two.measured(address, Load(running=count, waiting=0), 1.0)
    counts = Counter(lease(two, 1.5).address for _ in range(20))
    assert abs(counts["a:1"] - counts["b:1"]) <= 4


@pytest.mark.parametrize("endpoints", [10, 1000])
def test_a_lease_draws_as_few_of_many_as_of_few(endpoints: int) -> None:
    calls = 0

    def chance() -> float:
        nonlocal calls
        calls += 1
        return numbers.random()

    numbers = random.Random(5)
    many = Fleet(Balance(), random=chance, tokens_per_block=4)
    many.update([Endpoint(f"{number}:1") for number in range(endpoints)], 0.0)
    for number in range(500):
        lease(many, 0.001 * number, work(start=1000 * number))
    assert calls <= 500 * 2.5
