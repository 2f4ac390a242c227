"""The models of a running Triton, by their ModelConfigs over gRPC. Nothing of the server is changed."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from model_repo_builder.config_text import Config
from model_repo_builder.doctor.finding import Finding, error
from model_repo_builder.doctor.subject import Subject
from model_repo_builder.errors import RepositoryError

_SECONDS = 10.0
_UNKNOWN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def read_running(address: str, seconds: float = _SECONDS) -> tuple[Subject, tuple[Finding, ...]]:
    """The models that are ready, and a finding for each that is not."""
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            index = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=seconds).models
            ready = sorted({model.name for model in index if model.state == "READY"})
            models = {name: Config(name, _config(stub, name, seconds)) for name in ready}
        except grpc.RpcError as failure:
            raise RepositoryError(_sentence(address, failure)) from failure
    broken = tuple(
        error(
            "not-ready",
            model.name,
            f"version {model.version or '?'} is {model.state or 'not loaded'}: {model.reason or 'no reason is given'}",
            "requests to it, and to ensembles with it, are refused",
            "mend what the reason names, and start the server again",
        )
        for model in index
        # Older versions of a model are unloaded on purpose.
        if model.state != "READY" and model.name not in ready
    )
    return Subject(MappingProxyType(models)), broken


def _config(stub: Any, name: str, seconds: float) -> Any:
    return stub.ModelConfig(service_pb2.ModelConfigRequest(name=name), timeout=seconds).config


def _sentence(address: str, failure: grpc.RpcError) -> str:
    code = failure.code() if isinstance(failure, grpc.Call) else None
    if code in _UNKNOWN:
        return f"no Triton answers at {address}: give its gRPC address (port 8001 unless changed), and start it first"
    details = failure.details() if isinstance(failure, grpc.Call) else str(failure)
    return f"{address} does not answer as Triton does ({details}): give the gRPC port, not the HTTP port"
