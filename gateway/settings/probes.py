"""``[probes]`` of gateway.toml: how often the gateway looks at its Tritons."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import SettingsError
from gateway.settings.toml import check_seconds


@dataclass(frozen=True, slots=True)
class Probes:
    """Seconds between looks, and what follows from them."""

    period_seconds: float = 2.0  # between two questions to a Triton whether it lives and serves the model
    timeout_seconds: float = 2.0  # for each answer
    load_seconds: float = 2.0  # between two looks at a metrics page
    dns_seconds: float = 10.0  # between two look-ups of a name
    file_seconds: float = 1.0  # between two looks at a list of Tritons
    stall_seconds: float = 120.0  # without any token of any request that runs there, and it counts as down; 0: never

    def __post_init__(self) -> None:
        check_seconds(self, "[probes]")
        for name in ("period_seconds", "timeout_seconds", "load_seconds", "dns_seconds", "file_seconds"):
            if getattr(self, name) < 0.05:
                raise SettingsError(f"[probes] {name} must be at least 0.05, not {getattr(self, name):g}.")
