from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.watchdog import Watchdog

SILENCE, BELIEF = 60.0, 30.0

# Each step is a time in seconds and what happens then; a look says whether the engine is stalled.
S, T, C, W, R = "started", "token", "cancelled", "ended well", "restarted"
Steps = list[tuple[float, str | bool]]

TABLE: list[tuple[str, Steps]] = [
    ("nothing runs", [(0, False), (20, False), (40, False), (60, False), (80, False)]),
    ("a request without a token", [(0, S), (20, False), (40, False), (59, False), (60, True), (61, True)]),
    (
        "a token in time",
        [(0, S), (20, False), (40, False), (50, T), (60, False), (80, False), (109, False), (110, True)],
    ),
    ("any request's token counts", [(0, S), (1, S), (20, False), (40, False), (50, T), (70, False), (90, False)]),
    ("silence begins with work, not before", [(0, False), (20, False), (30, S), (50, False), (70, False), (89, False)]),
    ("a later request is no sign of life", [(0, S), (20, False), (40, False), (50, S), (60, True)]),
    ("a cancel is no sign of life", [(0, S), (0, S), (20, False), (40, False), (50, C), (60, True)]),
    ("the engine's own end is one", [(0, S), (0, S), (20, False), (40, False), (50, W), (60, False), (80, False)]),
    ("a token clears a stall", [(0, S), (20, False), (40, False), (60, True), (65, T), (66, False)]),
    ("a restart clears a stall", [(0, S), (20, False), (40, False), (60, True), (65, R), (66, False)]),
    (
        "a stall is believed for a time without work",
        [(0, S), (20, False), (40, False), (60, True), (61, C), (80, True), (89, True), (90, False)],
    ),
    (
        "a request that tries a stalled engine in vain",
        [(0, S), (25, False), (50, False), (60, True), (61, C), (62, S), (80, True), (100, True), (121, True)],
    ),
    (
        "we slept, the engine is not blamed",
        [(0, S), (10, False), (500, False), (510, False), (540, False), (560, True)],
    ),
    ("we slept before the first look", [(0, S), (500, False), (520, False), (540, False), (560, True)]),
    ("more ends than starts", [(0, C), (0, C), (1, S), (20, False), (40, False), (60, False), (61, True)]),
]


@pytest.mark.parametrize("steps", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
def test_stalls(steps: Steps) -> None:
    watchdog = Watchdog(SILENCE, belief_seconds=BELIEF, asleep_seconds=SILENCE / 2)
    for now, step in steps:
        if isinstance(step, bool):
            assert watchdog.stalled(now) is step, f"at {now} s"
        else:
            happens(watchdog, step, now)


def happens(watchdog: Watchdog, step: str, now: float) -> None:
    if step == S:
        watchdog.started(now)
    elif step == T:
        watchdog.progress(now)
    elif step == R:
        watchdog.restarted(now)
    else:
        watchdog.ended(now, well=step == W)


def test_zero_seconds_is_never() -> None:
    watchdog = Watchdog(0)
    watchdog.started(0)
    assert not watchdog.stalled(1e6)


@given(st.lists(st.tuples(st.floats(0.001, SILENCE / 3), st.sampled_from([S, T, C, W, R, "look"]))))
def test_nobody_is_blamed_who_moved_lately_and_whoever_is_silent_is(steps: list[tuple[float, str]]) -> None:
    watchdog, now, moved = Watchdog(SILENCE, belief_seconds=BELIEF, asleep_seconds=SILENCE / 2), 0.0, 0.0
    for wait, step in steps:
        now += wait
        if step in (T, W, R) or (step == S and watchdog.running == 0):
            moved = now
        if step != "look":
            happens(watchdog, step, now)
        stalled = watchdog.stalled(now)
        if step in (T, W, R):
            assert not stalled
        if watchdog.running and now - moved >= SILENCE + 1e-6:
            assert stalled
