"""The rows of the matrix. Each module holds scenarios of one kind; ``ALL`` is the order in which they play."""

from __future__ import annotations

from loadtest.faults.scenario import Scenario
from loadtest.faults.scenarios import clients, crashes, engines, gateways, overload

_MODULES = (crashes, engines, clients, overload, gateways)
ALL: tuple[Scenario, ...] = tuple(scenario for module in _MODULES for scenario in module.SCENARIOS)
