"""The fair queue: its bounds, its fairness, and that every ticket leaves once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.caller import Priority
from gateway.core.errors import SettingsError
from gateway.core.queue import Drain, FairQueue, QueueLimits, Ticket

PRIORITIES: list[Priority] = ["high", "normal", "low"]
Pushed = tuple[str, Priority, int]
keys = st.sampled_from("abcd")
tokens = st.integers(0, 50)
WIDE = QueueLimits(10_000, 10_000_000)


def filled(pushed: Iterable[Pushed], limits: QueueLimits = WIDE) -> FairQueue[int]:
    queue: FairQueue[int] = FairQueue(limits)
    for number, (key, priority, cost) in enumerate(pushed):
        assert queue.push(key, priority, cost, number)
    return queue


def popped(queue: FairQueue[int]) -> list[Ticket[int]]:
    tickets = []
    while (ticket := queue.pop()) is not None:
        tickets.append(ticket)
    return tickets


ORDERS = [
    pytest.param([("a", 1), ("a", 1), ("b", 1)], "aba", id="another-key-s-first-before-the-second"),
    pytest.param([("a", 9), ("a", 1), ("b", 3), ("b", 3), ("b", 3), ("b", 3)], "abbbab", id="by-tokens-not-requests"),
    pytest.param([("a", 0), ("a", 0), ("b", 0)], "aba", id="no-turn-is-free"),
]


@pytest.mark.parametrize(("pushed", "order"), ORDERS)
def test_keys_take_turns(pushed: list[tuple[str, int]], order: str) -> None:
    queue = filled((key, "normal", cost) for key, cost in pushed)
    assert "".join(ticket.key for ticket in popped(queue)) == order


def test_a_large_turn_is_not_forgotten_by_leaving() -> None:
    queue = filled([("a", "normal", 100), ("b", "normal", 10), ("b", "normal", 10)])
    assert queue.pop() is not None  # a's only one: a leaves
    assert queue.push("a", "normal", 1, 9)
    assert [ticket.key for ticket in popped(queue)] == ["b", "b", "a"]


def test_staying_away_saves_nothing_up() -> None:
    queue = filled([("a", "normal", 10)] * 20)
    for _ in range(10):
        queue.pop()
    for _ in range(10):
        queue.push("b", "normal", 10, 0)
    first = "".join(ticket.key for ticket in popped(queue)[:6])
    assert first in ("ababab", "bababa")


def test_classes_share_by_weight() -> None:
    queue = filled((priority, priority, 10) for _ in range(200) for priority in PRIORITIES)
    first = Counter(ticket.priority for ticket in popped(queue)[:210])
    assert first == {"high": 160, "normal": 40, "low": 10}


@given(st.lists(st.tuples(keys, st.sampled_from(PRIORITIES), tokens), max_size=60), st.data())
def test_every_ticket_leaves_once_and_in_its_key_s_order(pushed: list[Pushed], data: st.DataObject) -> None:
    queue: FairQueue[int] = FairQueue(WIDE)
    waiting: dict[int, Ticket[int]] = {}
    left: list[int] = []
    for number, (key, priority, cost) in enumerate(pushed):
        ticket = queue.push(key, priority, cost, number)
        assert ticket is not None
        waiting[number] = ticket
        action = data.draw(st.sampled_from(["wait", "pop", "drop"]))
        if action == "pop":
            next_ = queue.pop()
            assert next_ is not None
            same = [w.item for w in waiting.values() if (w.key, w.priority) == (next_.key, next_.priority)]
            assert next_.item == min(same)
            left.append(next_.item)
            assert not queue.drop(waiting.pop(next_.item)), "it has left"
        elif action == "drop":
            gone = waiting.pop(data.draw(st.sampled_from(sorted(waiting))))
            assert queue.drop(gone)
            assert not queue.drop(gone), "it has left"
            left.append(gone.item)
        assert len(queue) == len(waiting)
        assert queue.tokens == sum(ticket.tokens for ticket in waiting.values())
    left += [ticket.item for ticket in popped(queue)]
    assert sorted(left) == list(range(len(pushed)))
    assert (len(queue), queue.tokens, queue.pop()) == (0, 0, None)


@given(st.lists(st.tuples(keys, tokens, st.booleans()), max_size=80), st.integers(0, 6), st.integers(1, 120))
def test_never_over_capacity(steps: list[tuple[str, int, bool]], requests: int, most: int) -> None:
    queue: FairQueue[None] = FairQueue(QueueLimits(requests, most))
    for key, cost, pop in steps:
        before = len(queue), queue.tokens
        room = before[0] < requests and before[1] + cost <= most
        assert queue.fits(cost) is room
        assert (queue.push(key, "normal", cost, None) is not None) is room
        if not room:
            assert (len(queue), queue.tokens) == before
        assert len(queue) <= requests
        assert queue.tokens <= most
        if pop:
            queue.pop()


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=40),
    st.lists(st.integers(1, 50), min_size=1, max_size=40),
    st.lists(st.tuples(keys, st.integers(1, 50)), max_size=40),
)
def test_two_keys_that_wait_get_the_same_within_a_turn_each(
    mine: list[int], yours: list[int], others: list[tuple[str, int]]
) -> None:
    """The bound of start-time fair queueing, at every moment while both wait, whoever else comes."""
    queue = filled([("mine", "normal", cost) for cost in mine] + [("yours", "normal", cost) for cost in yours])
    for key, cost in others:
        queue.push(key, "normal", cost, 0)
    had, left = Counter[str](), Counter(mine=len(mine), yours=len(yours))
    while left["mine"] and left["yours"]:
        ticket = queue.pop()
        assert ticket is not None
        had[ticket.key] += ticket.tokens
        left[ticket.key] -= 1
        assert abs(had["mine"] - had["yours"]) <= max(mine) + max(yours)


@given(st.lists(st.tuples(st.sampled_from(PRIORITIES), keys, st.integers(1, 50)), min_size=1, max_size=80))
def test_classes_that_wait_get_their_weight_within_a_turn_each(pushed: list[tuple[Priority, str, int]]) -> None:
    queue = filled((key, priority, cost) for priority, key, cost in pushed)
    left = Counter(priority for priority, _, _ in pushed)
    had = dict.fromkeys(left, 0.0)
    most = max(cost for _, _, cost in pushed)
    while sum(left.values()):
        ticket = queue.pop()
        assert ticket is not None
        had[ticket.priority] += ticket.tokens / WIDE.weight(ticket.priority)
        left[ticket.priority] -= 1
        if all(left.values()):
            for one in had:
                for other in had:
                    bound = most / WIDE.weight(one) + most / WIDE.weight(other)
                    assert abs(had[one] - had[other]) <= bound + 1e-9


@given(
    st.lists(st.tuples(keys, tokens), max_size=30),
    st.lists(st.tuples(st.integers(0, 30), keys, st.integers(0, 10_000)), max_size=15),
)
def test_what_is_dropped_costs_nothing(kept: list[tuple[str, int]], dropped: list[tuple[int, str, int]]) -> None:
    """Keys that wait anyway are served as if the dropped requests had never come."""
    plain = filled((key, "normal", cost) for key, cost in [*((key, 1) for key in "abcd"), *kept])
    queue = filled((key, "normal", 1) for key in "abcd")
    gone = []
    for number, (key, cost) in enumerate(kept, start=4):
        gone += [queue.push(k, "normal", c, -1) for place, k, c in dropped if place == number]
        queue.push(key, "normal", cost, number)
    for ticket in gone:
        assert ticket is not None
        queue.drop(ticket)
    assert [ticket.item for ticket in popped(queue)] == [ticket.item for ticket in popped(plain)]


def test_names_that_no_longer_matter_are_forgotten() -> None:
    queue = filled([("steady", "normal", 1)] * 2)
    for number in range(5000):
        queue.push(f"guest-{number}", "normal", 1, 0)
        queue.push("steady", "normal", 1, 0)
        queue.pop()
        queue.pop()
    for number in range(5000):
        ticket = queue.push(f"guest-{number % 2}", "normal", 1, 0)
        assert ticket is not None
        queue.drop(ticket)
    turns = queue._keys["normal"]
    assert len(turns._times) < 200
    assert len(turns._heap) < 200


@pytest.mark.parametrize(
    ("left", "waiting", "now", "seconds"),
    [
        pytest.param([], 0, 1000.0, 1, id="never-at-once"),
        pytest.param([1000.5, 1001.0, 1001.5], 10, 1001.5, 5, id="as-fast-as-before"),
        pytest.param([1000.5, 1001.0], 10, 1004.0, 30, id="slower-now"),
        pytest.param([1000.5], 10_000, 1000.5, 60, id="no-more-than-sdks-obey"),
        pytest.param([], 3, 1004.0, 12, id="nobody-left-yet"),
        pytest.param([1000.0, 999.0], 5, 998.0, 1, id="a-clock-that-jumps-back"),
    ],
)
def test_when_to_come_again(left: list[float], waiting: int, now: float, seconds: int) -> None:
    drain = Drain()
    drain.started(1000.0)
    for moment in left:
        drain.left(moment)
    assert drain.retry_after(waiting, now) == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue_requests", -1),
        ("queue_tokens", 0),
        ("queue_seconds", 0.0),
        ("queue_seconds", float("nan")),
        ("queue_seconds", 1e9),
        ("weight_low", 0.0),
        ("weight_high", float("inf")),
    ],
)
def test_limits_that_cannot_work(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=name):
        QueueLimits(**{name: value})  # type: ignore[arg-type]
