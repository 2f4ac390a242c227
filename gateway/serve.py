"""The composition root: settings → tokenizers, backends, service, application → uvicorn. Nothing else makes these."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import Any

from gateway import __version__
from gateway.core.errors import SettingsError
from gateway.embedder import Embedder
from gateway.gate import Gate
from gateway.http.answer import EndpointSettings
from gateway.http.app import create_app
from gateway.http.closing import Closing
from gateway.metrics import Metrics
from gateway.server import Server
from gateway.service import ServedModel, Service, with_adapters
from gateway.settings import Settings
from gateway.triton.pool import Pool
from gateway.wiring import Wiring

logger = logging.getLogger("gateway")


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Runs until a signal. Everything is made inside the event loop, because gRPC channels belong to one."""
    server = settings.server
    metrics = Metrics()
    gate = Gate(settings.keys, lambda reason: metrics.refused.labels(reason).inc())
    wiring = Wiring(settings, metrics)
    models: dict[str, ServedModel] = {}
    for model in settings.models:
        models |= with_adapters(wiring.served_model(model), model.loras)
    service = Service(models, metrics, wiring.attempts, wiring.admission, strict=server.strict)
    embeddings = {model.name: wiring.served_embedding(model) for model in settings.embeddings}
    embedder = Embedder(embeddings, metrics, wiring.attempts, strict=server.strict)
    edge = EndpointSettings(server.max_body_bytes, server.ping_seconds, server.reasoning_names)
    closing = Closing()
    process = Server(
        create_app(service, embedder, metrics, edge, closing, gate),
        closing,
        drain_seconds=server.drain_seconds,
        grace_seconds=server.grace_seconds,
    )
    host, port = listener.getsockname()[:2]
    names = ", ".join([*service.models, *embedder.models])

    if not gate.closed and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        logger.warning("no [keys] file is set: whoever reaches %s may use this gateway without a key", host)

    def started() -> None:
        logger.info("gateway %s on http://%s:%d, models: %s", __version__, host, port, names)

    pools: list[Pool[Any]] = list({id(model.pool): model.pool for model in service.models.values()}.values())
    pools += [model.pool for model in embedder.models.values()]
    try:
        await asyncio.gather(*(pool.start() for pool in pools))
        for pool in pools:
            if not pool.ready():  # Triton may come later; until then requests get a 503
                logger.warning("model '%s': no Triton serves it now", pool.name)
        async with gate:
            await process.run(listener, signals={}, started=started)
    finally:
        await asyncio.gather(*(pool.close() for pool in pools))
    logger.info("gateway stopped")


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; taken first, because loading a tokenizer takes seconds. SettingsError where it is taken."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {exc.strerror or exc}. Choose another with --host and --port."
        ) from exc
