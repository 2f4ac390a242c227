"""The fault matrix: real tritonservers, gateways and clients, what is done to them, and what was lost by it."""
