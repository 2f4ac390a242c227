"""The ASGI application: routes, middleware, and the one place where errors become replies."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway import __version__
from gateway.core.errors import ClientDisconnected, GatewayError, RateLimited, RequestError
from gateway.core.reply import messages as anthropic
from gateway.core.reply.wire import error_body
from gateway.embedder import Embedder
from gateway.gate import Gate
from gateway.http import embeddings, messages, openai, ops, playground, reference, responses, tokenization
from gateway.http.access import Access
from gateway.http.answer import Answering, EndpointSettings
from gateway.http.body import json_response
from gateway.http.closing import Closing, ClosingRequests
from gateway.http.description import describe
from gateway.http.middleware import RequestLog
from gateway.http.plain import include
from gateway.http.playground import Playground
from gateway.metrics import Metrics
from gateway.service import Service
from gateway.tracing import Traces

logger = logging.getLogger("gateway")


def create_app(
    service: Service,
    embedder: Embedder,
    metrics: Metrics,
    settings: EndpointSettings,
    closing: Closing,
    gate: Gate,
    page: Playground | None = None,
    traces: Traces | None = None,
) -> FastAPI:
    """The application on a wired service; whoever made that starts and closes it. ``page``: at ``/``, for people."""
    app = FastAPI(
        title="Qwen on Triton",
        version=__version__,
        summary="OpenAI-compatible API of a Qwen served by NVIDIA Triton and TensorRT-LLM",
        docs_url=None,  # these load scripts from elsewhere
        redoc_url=None,
    )
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    answering = Answering(service, settings)
    include(app, openai.router(answering, embedder))
    include(app, embeddings.router(embedder, settings))
    include(app, messages.router(answering))
    include(app, responses.router(answering))
    include(app, tokenization.router(answering))
    include(app, reference.router(app))
    include(app, ops.router(service, embedder, metrics, closing))
    if page is not None:
        include(app, playground.router(page))
    app.add_middleware(ClosingRequests, closing=closing, reply=_reply)
    app.add_middleware(Access, gate=gate, reply=_reply)
    app.add_middleware(
        RequestLog,
        answered=lambda path, status: metrics.responses.labels(path, str(status)).inc(),
        prompts=settings.log_prompts,
        traces=traces,
    )
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _exception)
    return app


def _reply(request: Request, error: GatewayError, headers: dict[str, str] | None = None) -> Response:
    """The error in the shape of the API that was called."""
    headers = dict(headers or {})
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, RateLimited) and error.hopeless:
        headers["x-should-retry"] = "false"  # SDKs try a 429 again; this one can never fit
    if request.url.path.startswith(messages.PREFIX):
        body = anthropic.error_body(error, request_id=request.state.request_id)
        return json_response(body, status=anthropic.error_status(error), headers=headers)
    return json_response(error_body(error), status=error.status, headers=headers)


async def _gateway_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, GatewayError)
    if isinstance(exc, ClientDisconnected):
        return Response(status_code=exc.status)  # nobody reads it; the status is for the log
    if exc.status >= 500:
        logger.warning("%s %s: %s", request.method, request.url.path, exc.message)
    return _reply(request, exc)


async def _http_exception(request: Request, exc: Exception) -> Response:
    """Starlette's own: no such route, wrong method."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == HTTPStatus.NOT_FOUND:
        message = f"Unknown URL: {request.method} {request.url.path}. The API is under /v1, its description at /docs."
    elif exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.method} is not allowed on {request.url.path}."
    else:
        message = str(exc.detail)
    error = RequestError(message)
    error.status = exc.status_code
    return _reply(request, error, dict(exc.headers or {}))


async def _exception(request: Request, exc: Exception) -> Response:
    """A bug of ours. The server logs the traceback; the client gets none of it."""
    return _reply(request, GatewayError("Internal error; the gateway's log has it."))
