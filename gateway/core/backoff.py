"""How long to wait before something that failed is tried again. It knows counts; it must not know what failed."""

from __future__ import annotations

FIRST_SECONDS = 1.0
MOST_SECONDS = 30.0


def delay_seconds(failures: int) -> float:
    """Nothing after the first failure in a row, then twice as long each time, up to a bound."""
    return 0.0 if failures < 2 else min(MOST_SECONDS, FIRST_SECONDS * 2 ** min(failures - 2, 16))
