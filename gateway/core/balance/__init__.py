"""Which Triton endpoint takes the next request.

It knows what requests cost in tokens, what was leased to whom, and what probes, outcomes and metrics said. It must
not know gRPC, HTTP, DNS, a clock or a source of chance: ``now`` and ``random`` are passed in, and waits are the
caller's.
"""

from gateway.core.balance.fleet import Fleet
from gateway.core.balance.member import Lease
from gateway.core.balance.policy import Balance
from gateway.core.balance.values import Endpoint, EndpointState, Load, Outcome, State, Work

__all__ = ["Balance", "Endpoint", "EndpointState", "Fleet", "Lease", "Load", "Outcome", "State", "Work"]
