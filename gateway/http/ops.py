"""For operators and probes: liveness, readiness, metrics. It knows the service; it must not know OpenAI's API."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from gateway.core.balance import EndpointState
from gateway.embedder import Embedder, ServedEmbedding
from gateway.http.closing import Closing
from gateway.http.plain import plain_router
from gateway.metrics import Metrics
from gateway.service import ServedModel, Service


def router(service: Service, embedder: Embedder, metrics: Metrics, closing: Closing) -> APIRouter:
    """The routes outside /v1."""
    routes = plain_router()

    @routes.get("/healthz")
    async def healthz() -> Response:
        """Alive: the process answers. Says nothing about Triton, so that no probe restarts a healthy gateway."""
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz")
    async def readyz() -> Response:
        """Ready: for every model at least one Triton serves it and makes progress. 503 otherwise, and from the moment
        this gateway is asked to stop. The body tells each model's state and each Triton's, with the reason."""
        if closing.draining:
            return JSONResponse({"status": "stopping"}, 503, headers={"retry-after": "1"})
        models: list[ServedModel | ServedEmbedding] = [*service.models.values(), *embedder.models.values()]
        states = {model.name: model.pool.ready() for model in models}
        ready = all(states.values())
        body = {
            "status": "ready" if ready else "unavailable",
            "models": {name: "ready" if state else "unavailable" for name, state in states.items()},
            "endpoints": {
                model.name: [
                    {"address": each.address, "state": each.state.value, "reason": each.reason}
                    for each in model.pool.states()
                ]
                for model in models
            },
        }
        return JSONResponse(body, 200 if ready else 503, headers=None if ready else {"retry-after": "1"})

    @routes.get("/debug/endpoints")
    async def endpoints() -> Response:
        """Every model's Tritons: address, state and why, what this process has running there, measured load."""
        models: list[ServedModel | ServedEmbedding] = [*service.models.values(), *embedder.models.values()]
        return JSONResponse({model.name: [_endpoint(state) for state in model.pool.states()] for model in models})

    @routes.get("/metrics")
    async def exposition() -> Response:
        """Prometheus' metrics, of all workers."""
        metrics.board.look()
        return Response(await asyncio.to_thread(metrics.exposition), media_type=CONTENT_TYPE_LATEST)

    return routes


def _endpoint(state: EndpointState) -> dict[str, Any]:
    return {
        "address": state.address,
        "state": state.state.value,
        "reason": state.reason,
        "weight": state.weight,
        "in_flight": state.in_flight,
        "outstanding_tokens": state.outstanding_tokens,
        "slowness": round(state.slowness, 3),
        "load": {
            "running": state.load.running,
            "waiting": state.load.waiting,
            "kv_used_fraction": state.load.kv_used_fraction,
        },
    }
