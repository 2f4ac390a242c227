"""How a limit stands, and when it has room again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.window import Window, duration

STANDS = [
    pytest.param(Window(10, 0, 0, 0, 0), 10, 0, {1: 1, 10: 1, 11: None}, id="unused"),
    pytest.param(Window(10, 0, 0, 4, 120), 6, 120, {6: 1, 7: 60}, id="some"),
    pytest.param(Window(10, 0, 0, 10, 70), 0, 70, {1: 16, 5: 40, 10: 60}, id="all-in-this-minute"),
    pytest.param(Window(10, 10, 30, 0, 0), 5, 30, {5: 1, 6: 6, 10: 30}, id="all-in-the-minute-before"),
    pytest.param(Window(10, 10, 30, 5, 90), 0, 90, {1: 6, 5: 30}, id="both"),
    pytest.param(Window(10, 0, 0, 25, 100), 0, 100, {1: 60}, id="more-than-allowed"),
    pytest.param(Window(10, -5, 30, 0, 0), 10, 0, {10: 1}, id="given-back"),
    pytest.param(Window(0, 0, 0, 0, 0), 0, 0, {1: None}, id="nothing-allowed"),
]


@pytest.mark.parametrize(("window", "remaining", "reset", "waits"), STANDS)
def test_how_a_window_stands(window: Window, remaining: int, reset: float, waits: dict[int, int | None]) -> None:
    assert (window.remaining, window.reset_seconds) == (remaining, reset)
    assert {cost: window.retry_after(cost) for cost in waits} == waits


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(0, 60),
    st.integers(0, 10**6),
    st.floats(0, 120),
    st.integers(0, 10**6),
)
def test_a_wait_is_bounded_or_hopeless(
    limit: int, previous: int, previous_seconds: float, current: int, current_seconds: float, cost: int
) -> None:
    window = Window(limit, previous, previous_seconds, current, current_seconds)
    wait = window.retry_after(cost)
    assert wait is None if cost > limit else wait is not None and 1 <= wait <= 60
    assert 0 <= window.remaining <= limit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (-1, "0ms"), (0.0174, "17ms"), (1, "1s"), (17.24, "17.2s"), (59.99, "1m0s"), (90.4, "1m30s")],
)
def test_durations_are_openai_s(seconds: float, text: str) -> None:
    assert duration(seconds) == text
