"""gRPC's errors → the gateway's. One table, used around calls and around iteration alike.

Statuses are those Triton sends (grpc_server of triton-inference-server): UNAVAILABLE also for a model that is not
ready, NOT_FOUND for one that does not exist, and CANCELLED for what we cancelled ourselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from gateway.core.errors import UpstreamError, UpstreamUnavailable

_AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


@contextmanager
def grpc_errors(model: str) -> Iterator[None]:
    """Whatever gRPC raises inside leaves as a GatewayError. The reply names the model, never an address."""
    try:
        yield
    except grpc.RpcError as exc:
        status: grpc.StatusCode = exc.code()
        if status in _AWAY:
            reason = status.name.lower().replace("_", " ")
            raise UpstreamUnavailable(
                f"The model server behind '{model}' is not available right now ({reason}). Try again shortly."
            ) from exc
        raise UpstreamError(f"Triton refused the request to '{model}' ({status.name}): {exc.details()}") from exc
