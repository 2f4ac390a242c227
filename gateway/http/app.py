"""The ASGI application: routes, middleware, and the one place where errors become replies."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from gateway import __version__
from gateway.core import reply
from gateway.core.errors import ClientDisconnected, GatewayError, RequestError
from gateway.http import endpoints, ops
from gateway.http.endpoints import EndpointSettings
from gateway.http.middleware import RequestLog
from gateway.metrics import Metrics
from gateway.service import Service

logger = logging.getLogger("gateway")


def create_app(service: Service, metrics: Metrics, settings: EndpointSettings) -> FastAPI:
    """The application on a wired service. Its lifespan binds the models and closes their connections."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for model in service.models.values():
            try:
                await model.backend.bound()
            except GatewayError as error:  # Triton may come later; until then requests get a 503
                logger.warning("model '%s': %s", model.name, error.message)
        try:
            yield
        finally:
            for model in service.models.values():
                await model.backend.transport.close()

    app = FastAPI(
        title="Qwen on Triton",
        version=__version__,
        summary="OpenAI-compatible API of a Qwen served by NVIDIA Triton and TensorRT-LLM",
        lifespan=lifespan,
    )
    app.include_router(endpoints.router(service, settings))
    app.include_router(ops.router(service, metrics))
    app.add_middleware(RequestLog)
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _exception)
    return app


def _reply(error: GatewayError, status: int | None = None, headers: dict[str, str] | None = None) -> Response:
    headers = dict(headers or {})
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return JSONResponse(reply.error_body(error), status or error.status, headers=headers)


async def _gateway_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, GatewayError)
    if isinstance(exc, ClientDisconnected):
        return Response(status_code=exc.status)  # nobody reads it; the status is for the log
    if exc.status >= 500:
        logger.warning("%s %s: %s", request.method, request.url.path, exc.message)
    return _reply(exc)


async def _http_exception(request: Request, exc: Exception) -> Response:
    """Starlette's own: no such route, wrong method."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == HTTPStatus.NOT_FOUND:
        message = f"Unknown URL: {request.method} {request.url.path}. The API is under /v1, its description at /docs."
    elif exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.method} is not allowed on {request.url.path}."
    else:
        message = str(exc.detail)
    return _reply(RequestError(message), exc.status_code, dict(exc.headers or {}))


async def _exception(request: Request, exc: Exception) -> Response:
    """A bug of ours. The server logs the traceback; the client gets none of it."""
    return _reply(GatewayError("Internal error; the gateway's log has it."))
