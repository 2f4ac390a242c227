"""How long a failure waits for its next try."""

from __future__ import annotations

import pytest

from gateway.core.backoff import MOST_SECONDS, delay_seconds


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0.0), (1, 0.0), (2, 1.0), (3, 2.0), (6, 16.0), (7, MOST_SECONDS), (10**6, MOST_SECONDS)],
)
def test_the_first_waits_for_nothing_and_none_for_ever(failures: int, seconds: float) -> None:
    assert delay_seconds(failures) == seconds
