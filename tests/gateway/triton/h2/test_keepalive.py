"""Signs of life, tick by tick."""

from __future__ import annotations

from gateway.triton.h2.keepalive import Keepalive


def pings(state: Keepalive, ticks: int, *, answered: bool, calls: int = 1) -> list[int]:
    """The ticks at which a silent server was pinged; one that does not answer ends them with -1."""
    found: list[int] = []
    count = 0
    for tick in range(ticks):
        verdict = state.tick(spoke=False, calls=calls, answered=count)
        if verdict is None:
            return [*found, -1]
        if verdict:
            found.append(tick)
            count += answered
    return found


def test_a_silent_server_is_asked_once_and_again_much_later() -> None:
    assert pings(Keepalive(quiet=3, patience=1, again=31), 70, answered=True) == [2, 33, 64]


def test_one_that_does_not_answer_is_gone() -> None:
    assert pings(Keepalive(quiet=3, patience=2, again=31), 70, answered=False) == [2, -1]


def test_without_calls_nobody_asks() -> None:
    assert pings(Keepalive(), 70, answered=True, calls=0) == []


def test_one_that_speaks_is_not_asked() -> None:
    state = Keepalive(quiet=3)
    for _ in range(20):
        assert state.tick(spoke=False, calls=1, answered=0) is False
        assert state.tick(spoke=True, calls=1, answered=0) is False


def test_speaking_is_an_answer_to_a_ping() -> None:
    state = Keepalive(quiet=1, patience=1)
    assert state.tick(spoke=False, calls=1, answered=0) is True
    assert state.tick(spoke=True, calls=1, answered=0) is False
    assert state.tick(spoke=False, calls=1, answered=0) is True
