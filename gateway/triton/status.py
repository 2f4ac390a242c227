"""gRPC's statuses → the gateway's errors. One table, for whatever carries gRPC.

Statuses are those Triton sends (grpc_server of triton-inference-server): UNAVAILABLE also for a model that is not
ready, NOT_FOUND for one that does not exist, and CANCELLED for what we cancelled ourselves. It must not know the wire.
"""

from __future__ import annotations

from enum import IntEnum

from gateway.core.errors import UpstreamError, UpstreamUnavailable


class Status(IntEnum):
    """How a call ended, by the numbers of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class EngineFailed(UpstreamError):
    """The engine said an error and thereby ended the request."""


_AWAY = {Status.UNAVAILABLE, Status.NOT_FOUND, Status.DEADLINE_EXCEEDED, Status.RESOURCE_EXHAUSTED}


def refused(model: str, status: Status, details: str | None) -> UpstreamError:
    """The error of a call that did not end well. It names the model, never an address."""
    if status in _AWAY:
        reason = status.name.lower().replace("_", " ")
        return UpstreamUnavailable(
            f"The model server behind '{model}' is not available right now ({reason}). Try again shortly."
        )
    return UpstreamError(f"Triton refused the request to '{model}' ({status.name}): {details}")


def engine_failed(text: str) -> EngineFailed:
    """The error that an engine says in the middle of a stream. It puts C++ stack traces behind its message."""
    first = text.strip().splitlines()[0] if text.strip() else "no reason given"
    return EngineFailed(f"The engine failed the request: {first}")
