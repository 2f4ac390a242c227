"""States: probes, breaker, trials, outliers, slow start, draining, clocks that jump."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.core.balance import Outcome, State
from tests.gateway.core.balance.fleets import endpoints, fail, fleet, lease, named, serve, state, work

BAD = [Outcome.REFUSED, Outcome.FAILED, Outcome.SILENT]
PLAIN = {"prefix_affinity": False, "session_affinity": False, "shared_homes": False}


def test_unknown_endpoints_serve_and_are_known_by_it() -> None:
    two = fleet("ab", probed=False)
    assert set(named(two, 0.0).values()) == {State.UNKNOWN}
    address = serve(two, 0.0, seconds=1.0)
    assert state(two, address, 1.0).state is State.UP


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([(True, True)], State.UP, id="well"),
        pytest.param([(False, False)], State.UP, id="one-probe-lost"),
        pytest.param([(False, False), (False, False)], State.DOWN, id="gone"),
        pytest.param([(False, False), (True, True), (False, False)], State.UP, id="not-in-a-row"),
        pytest.param([(True, False)], State.DOWN, id="not-ready-is-its-own-word"),
        pytest.param([(True, False), (True, True)], State.UP, id="back"),
        pytest.param([(True, False), (False, False)], State.DOWN, id="then-gone"),
    ],
)
def test_probes(answers: list[tuple[bool, bool]], expected: State) -> None:
    two = fleet("ab", **PLAIN)
    for now, (up, ready) in enumerate(answers):
        two.probed("a:1", up, ready, float(now))
    assert named(two, 9.0) == {"a": expected, "b": State.UP}
    two.probed("nobody:1", True, True, 9.0)
    assert {lease(two, 9.0).address for _ in range(30)} == {"b:1", *(["a:1"] if expected is State.UP else [])}


def test_nobody_is_leased_while_all_are_down() -> None:
    one = fleet("a")
    one.probed("a:1", True, False, 1.0)
    assert one.lease(work(), 1.0) is None
    assert not one.room(1.0)
    assert "not ready" in state(one, "a:1", 1.0).reason
    one.probed("a:1", True, True, 2.0)
    assert lease(one, 2.0).address == "a:1"


@pytest.mark.parametrize("outcome", BAD, ids=lambda outcome: outcome.value)
def test_failures_in_a_row_eject_and_trials_bring_back(outcome: Outcome) -> None:
    two = fleet("ab", failures=3, eject_seconds=2.0, trials=2)
    for _ in range(2):
        fail(two, 1.0, "a:1", outcome)
    assert state(two, "a:1", 1.0).state is State.UP
    fail(two, 1.0, "a:1", outcome)
    ejected = state(two, "a:1", 1.0)
    assert ejected.state is State.EJECTED
    assert outcome.value in ejected.reason
    assert {lease(two, 2.9).address for _ in range(20)} == {"b:1"}
    assert state(two, "a:1", 3.5).state is State.HALF_OPEN
    trial = lease(two, 3.5)
    assert trial.address == "a:1"
    assert {lease(two, 3.5).address for _ in range(20)} == {"b:1"}, "one trial at a time"
    two.first(trial, 3.6)
    second = lease(two, 3.6)
    assert second.address == "a:1"
    two.first(second, 3.7)
    assert state(two, "a:1", 3.7).state is State.UP


def test_a_success_between_failures_keeps_the_endpoint() -> None:
    two = fleet("ab", failures=2)
    for now in range(20):
        fail(two, now, "a:1", Outcome.FAILED)
        made = lease(two, now, exclude=("b:1",))
        two.release(made, now, Outcome.OK)
    assert state(two, "a:1", 20.0).state is State.UP


def test_cancels_say_nothing() -> None:
    two = fleet("ab", failures=1)
    for _ in range(50):
        two.release(lease(two, 1.0), 1.0, Outcome.CANCELLED)
    assert set(named(two, 1.0).values()) == {State.UP}


def test_failed_trials_double_the_time_and_a_cancelled_one_is_repeated() -> None:
    two = fleet("ab", failures=1, eject_seconds=1.0, eject_max_seconds=4.0)
    fail(two, 0.0, "a:1", Outcome.FAILED)
    now, waits = 0.0, []
    for _ in range(5):
        began = now
        while state(two, "a:1", now).state is State.EJECTED:
            now += 0.05
        waits.append(now - began)
        cancelled = lease(two, now)
        two.release(cancelled, now, Outcome.CANCELLED)
        trial = lease(two, now)
        assert cancelled.address == trial.address == "a:1"
        two.release(trial, now, Outcome.FAILED)
    for waited, least in zip(waits, [1, 2, 4, 4, 4], strict=True):
        assert least <= waited <= 1.2 * least + 0.1


def test_a_probe_opens_what_refusals_closed_but_not_what_hangs() -> None:
    three = fleet("abc", failures=1, eject_seconds=60.0)
    fail(three, 1.0, "a:1", Outcome.REFUSED)
    fail(three, 1.0, "b:1", Outcome.SILENT)
    for address in ("a:1", "b:1"):
        three.probed(address, True, True, 2.0)
    assert named(three, 2.0) == {"a": State.HALF_OPEN, "b": State.EJECTED, "c": State.UP}


@pytest.mark.parametrize(
    ("names", "outcome", "most"),
    [
        pytest.param("a", Outcome.FAILED, 0, id="the-last-one-stays"),
        pytest.param("ab", Outcome.FAILED, 1, id="one-of-two"),
        pytest.param("abcde", Outcome.SILENT, 2, id="two-of-five"),
        pytest.param("abcde", Outcome.REFUSED, 5, id="refusals-are-believed"),
    ],
)
def test_requests_alone_eject_a_share_at_most(names: str, outcome: Outcome, most: int) -> None:
    given = fleet(names, failures=1, max_ejected_share=0.5, eject_seconds=1000.0, eject_max_seconds=1000.0)
    for _ in range(50):
        made = given.lease(work(), 1.0)
        if made is not None:
            given.release(made, 1.0, outcome)
    assert Counter(named(given, 1.0).values())[State.EJECTED] == most


def test_old_leases_say_nothing_about_an_endpoint_that_came_back() -> None:
    two = fleet("ab", failures=1)
    old = [lease(two, 1.0, exclude=("b:1",)) for _ in range(5)]
    two.probed("a:1", True, False, 2.0)
    two.probed("a:1", True, True, 3.0)
    for each in old:
        two.release(each, 4.0, Outcome.FAILED)
    assert state(two, "a:1", 4.0).state is State.UP


@pytest.mark.parametrize("late", [True, False], ids=["came-late", "came-back"])
def test_slow_start(late: bool) -> None:
    two = fleet("b" if late else "ab", slow_start_seconds=100.0, **PLAIN)
    if late:
        two.update(endpoints("ab"), 10.0)
    else:
        two.probed("a:1", True, False, 5.0)
    two.probed("a:1", True, True, 10.0)
    early = Counter(lease(two, 11.0).address for _ in range(110))
    assert 5 <= early["a:1"] <= 15
    for _ in range(1000):
        lease(two, 200.0)
    assert abs(state(two, "a:1", 200.0).in_flight - state(two, "b:1", 200.0).in_flight) < 20


def test_a_removed_endpoint_drains() -> None:
    two = fleet("ab")
    made = lease(two, 1.0, exclude=("b:1",))
    two.update(endpoints("b"), 2.0)
    assert named(two, 2.0) == {"a": State.DRAINING, "b": State.UP}
    two.probed("a:1", True, True, 2.0)
    two.probed("a:1", True, False, 2.0)
    assert state(two, "a:1", 2.0).state is State.DRAINING
    assert {lease(two, 2.0).address for _ in range(20)} == {"b:1"}
    two.progress(made, 3, 3.0)
    two.release(made, 4.0, Outcome.OK)
    assert named(two, 4.0) == {"b": State.UP}


def test_a_draining_endpoint_may_be_listed_again() -> None:
    two = fleet("ab")
    made = lease(two, 1.0, exclude=("b:1",))
    two.update(endpoints("b"), 2.0)
    two.update(endpoints("ab"), 3.0)
    assert state(two, "a:1", 3.0).in_flight == 1
    two.release(made, 4.0, Outcome.OK)
    two.probed("a:1", True, True, 5.0)
    assert named(two, 5.0) == {"a": State.UP, "b": State.UP}


def paced(factors: dict[str, float], *, rounds: int = 60, **options: object) -> tuple[object, Counter[str], float]:
    """Endpoints that answer so many times slower serve requests one after another."""
    given = fleet("".join(factors), **PLAIN, **options)
    now = 0.0
    for _ in range(rounds):
        for name, factor in factors.items():
            others = [f"{other}:1" for other in factors if other != name]
            made = given.lease(work(), now, exclude=others)
            if made is None:
                continue
            given.first(made, now + 0.1 * factor)
            given.progress(made, 20, now + 0.1 * factor + 0.4 * factor)
            given.release(made, now + 0.5 * factor, Outcome.OK)
            now += 0.5 * factor
    taken = Counter(lease(given, now).address[0] for _ in range(600))
    return given, taken, now


def test_a_slow_half_gets_less_by_load_not_by_errors() -> None:
    given, taken, now = paced({"a": 1, "b": 1, "c": 5, "d": 5}, slow_eject=0.0)
    assert set(named(given, now).values()) == {State.UP}  # type: ignore[arg-type]
    assert state(given, "c:1", now).slowness == pytest.approx(5, abs=0.5)  # type: ignore[arg-type]
    for name in "cd":
        assert taken[name] == pytest.approx(50, abs=20)  # a fifth of the quick ones' 250


def test_much_slower_endpoints_are_ejected_up_to_the_share() -> None:
    given, _, now = paced(
        {"a": 1, "b": 1, "c": 20, "d": 20, "e": 20}, rounds=20, eject_seconds=1e3, eject_max_seconds=1e4
    )
    states = Counter(named(given, now).values())  # type: ignore[arg-type]
    assert states == {State.UP: 3, State.EJECTED: 2}
    assert "slower" in next(each.reason for each in given.states(now) if each.state is State.EJECTED)  # type: ignore[attr-defined]


def test_equal_endpoints_are_all_normal() -> None:
    given, _, now = paced({"a": 1, "b": 1.1, "c": 0.9, "d": 1})
    assert all(each.slowness < 1.3 and each.state is State.UP for each in given.states(now))  # type: ignore[attr-defined]


@pytest.mark.parametrize("jump", [-1e9, 1e9, -0.5], ids=["back", "forward", "a-little-back"])
def test_a_clock_that_jumps_ejects_nobody_and_goes_on(jump: float) -> None:
    given = fleet("abcd")
    for now in range(40):
        serve(given, now, seconds=0.1, gap=0.01)
    flying = [lease(given, 40.0) for _ in range(8)]
    now = 40.0 + jump
    for each in flying:
        given.progress(each, 20, now)
        given.release(each, now, Outcome.OK)
    for second in range(40):
        serve(given, now + second, seconds=0.1, gap=0.01)
    assert set(named(given, now + 40).values()) == {State.UP}
    assert sum(each.outstanding_tokens for each in given.states(now + 40)) == 0


def test_time_in_a_state_is_told_by_the_callers_clock() -> None:
    one = fleet("ab")
    one.probed("a:1", True, False, 50.0)
    assert state(one, "a:1", 60.0).since == 50.0
    assert state(one, "a:1", 20.0).since == 10.0, "after a step back it is still ten seconds ago"
