"""The options of balancing, checked when made.

It knows names, units and limits of the options; it must not know where they come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Balance:
    """``[balance]`` of gateway.toml. The defaults follow from loadtest/fleet/RESULTS.md."""

    max_requests: int = 0  # in flight on one endpoint, from this gateway process; 0: no limit
    max_tokens: int = 0  # outstanding on one endpoint, from this gateway process; 0: no limit
    choices: int = 2  # endpoints drawn for each request, of which the least loaded takes it; 1: drawn blindly
    prefix_affinity: bool = True  # follow the endpoint that was last given the same first blocks
    session_affinity: bool = True  # send the sessions that clients name to homes that all gateways agree on
    shared_homes: bool = True  # likewise prompts without a session, by their beginning
    affinity_load: float = 1.5  # times the fleet's mean of outstanding tokens; an endpoint above it gets no affine work
    affinity_free_tokens: int = 4096  # or, where the mean is less: as many as following saves, and this at most
    affinity_share: float = 0.5  # of the prompt must be known at an endpoint to follow it
    affinity_entries: int = 131_072  # prefixes remembered, over the whole fleet
    affinity_blocks: int = 256  # first blocks of a prompt that are looked at
    follow_pace: bool = True  # count the tokens of slower endpoints as more work
    slow_eject: float = 8.0  # times the seconds per token of the quicker quarter, to be ejected; 0: never
    failures: int = 3  # in a row on one endpoint, to be ejected
    probe_failures: int = 2  # probes without an answer in a row, to be down
    eject_seconds: float = 2.0  # first ejection; each further one lasts twice as long
    eject_max_seconds: float = 120.0  # the longest ejection
    max_ejected_share: float = 0.5  # of the endpoints that live may be ejected for failing or slow requests
    trials: int = 2  # requests that must succeed, one after another, on an endpoint that comes back from ejection
    slow_start_seconds: float = 10.0  # over which an endpoint that came back or came new gets to its full share
    load_seconds: float = 10.0  # for which measured load is believed

    def __post_init__(self) -> None:
        for name in ("max_requests", "max_tokens", "affinity_free_tokens"):
            self._check(name, 0)
        for name in ("choices", "affinity_entries", "affinity_blocks", "failures", "probe_failures", "trials"):
            self._check(name, 1)
        self._check("affinity_load", 1.0, 100.0)
        self._check("affinity_share", 0.0, 1.0)
        self._check("max_ejected_share", 0.0, 1.0)
        self._check("eject_seconds", 0.1, 3600.0)
        self._check("eject_max_seconds", self.eject_seconds, 86_400.0)
        self._check("slow_start_seconds", 0.0, 3600.0)
        self._check("load_seconds", 0.1, 3600.0)
        if self.slow_eject and not 2.0 <= self.slow_eject <= 1000.0:
            raise SettingsError(f"[balance] slow_eject must be 0 (never) or 2 to 1000, not {self.slow_eject}.")

    def _check(self, name: str, least: float, most: float = 10_000_000) -> None:
        value = getattr(self, name)
        if not math.isfinite(value) or not least <= value <= most:
            raise SettingsError(f"[balance] {name} must be between {least:g} and {most:g}, not {value}.")
