"""The options of balancing, checked when made.

It knows names, units and limits of the options; it must not know where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Balance:
    """``[balance]`` of gateway.toml. The defaults follow from loadtest/fleet/RESULTS.md."""

    max_requests: int = 0  # in flight on one endpoint, from this gateway process; 0: no limit
    max_tokens: int = 0  # outstanding on one endpoint, from this gateway process; 0: no limit

    def __post_init__(self) -> None:
        for name in ("max_requests", "max_tokens"):
            if getattr(self, name) < 0:
                raise SettingsError(f"[balance] {name} must be 0 (no limit) or more, not {getattr(self, name)}.")
