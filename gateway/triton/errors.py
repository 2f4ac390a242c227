"""grpcio's errors → the gateway's, around calls and around iteration alike.

It knows grpcio; what a status means is in ``status``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from gateway.triton.status import Status, refused


@contextmanager
def grpc_errors(model: str) -> Iterator[None]:
    """Whatever gRPC raises inside leaves as a GatewayError. The reply names the model, never an address."""
    try:
        yield
    except grpc.RpcError as exc:
        raise refused(model, Status[exc.code().name], exc.details()) from exc
