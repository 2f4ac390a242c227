"""The composition root: settings → tokenizers, backends, service, application → uvicorn. Nothing else makes these."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable

import anyio.lowlevel

from gateway import __version__
from gateway.core.errors import SettingsError
from gateway.embedder import Embedder
from gateway.gate import Gate
from gateway.http.answer import EndpointSettings
from gateway.http.app import create_app
from gateway.http.closing import Closing
from gateway.http.playground import Playground
from gateway.lineup import Lineup
from gateway.metrics import Metrics
from gateway.reload import SettingsFile, updates
from gateway.server import Server, handling
from gateway.service import Service
from gateway.settings import Settings
from gateway.tls import ServerTls
from gateway.tracing import Traces
from gateway.wiring import Wiring

logger = logging.getLogger("gateway")

# How long the event loop waits for a thread that works on a long prompt to let it go on; Python's default is 5 ms.
SWITCH_SECONDS = 0.0005

# When Python's collector looks for objects that hold each other: through so many new ones, at every so many of these
# looks through all that streams hold, and rarely through the rest. Requests leave none (tests/gateway/test_garbage.py),
# and all streams stop meanwhile: about half a millisecond for a thousand objects.
COLLECTIONS = (2_000, 100, 10)

LAG_SECONDS = 0.25  # between two looks at how late the event loop is
LOOKS_PER_PAGE = 4  # of these for each time that other processes are told how things are


async def serve_alone(source: SettingsFile, listener: socket.socket) -> None:
    """The whole gateway in this process. SIGHUP, or a change of its files, reads the settings again."""
    settings, asked = source.settings, asyncio.Event()
    host, port = listener.getsockname()[:2]

    def started() -> None:
        names = ", ".join(settings.names)
        logger.info("gateway %s on %s://%s:%d, models: %s", __version__, settings.server.scheme, host, port, names)

    with handling({signal.SIGHUP: asked.set}):
        await serve(settings, listener, Metrics(), updates=updates(source, asked), started=started)
    logger.info("gateway stopped")


async def serve(
    settings: Settings,
    listener: socket.socket,
    metrics: Metrics,
    *,
    updates: AsyncGenerator[Settings, None],
    started: Callable[[], None],
    changed: Callable[[], None] = lambda: None,
) -> None:
    """Runs until a signal, or until there can be no more ``updates`` of the settings. Everything is made inside the
    event loop, because gRPC channels belong to one. ``started``: requests are taken. ``changed``: an update is in
    force."""
    server = settings.server
    tls = ServerTls(server.tls_cert, server.tls_key) if server.tls_cert else None
    page = None
    if server.playground:
        page = Playground(max_body_bytes=server.max_body_bytes, keys_needed=bool(settings.keys.file))
    gate = Gate(
        settings.keys,
        lambda reason: metrics.refused.labels(reason).inc(),
        also_open=() if page is None else page.paths,
    )
    wiring = Wiring(settings, metrics)
    lineup = Lineup(settings, wiring)
    service = Service(lineup.models, metrics, wiring.attempts, wiring.admission, strict=server.strict)
    embedder = Embedder(lineup.embeddings, metrics, wiring.attempts, strict=server.strict)
    edge = EndpointSettings(
        server.max_body_bytes, server.ping_seconds, server.reasoning_names, log_prompts=server.log_prompts
    )
    metrics.board.watch(lambda: lineup.pools)
    metrics.expect(pool.name for pool in lineup.pools)
    traces = Traces(settings.tracing) if settings.tracing.endpoint else None
    closing = Closing()
    process = Server(
        create_app(service, embedder, metrics, edge, closing, gate, page, traces),
        closing,
        drain_seconds=server.drain_seconds,
        grace_seconds=server.grace_seconds,
        edge=settings.edge,
        trusted_proxies=server.trusted_proxies,
        tls=None if tls is None else tls.context,
    )
    host = listener.getsockname()[0]
    if not gate.closed and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        logger.warning("no [keys] file is set: whoever reaches %s may use this gateway without a key", host)

    async def follow() -> None:
        async for new in updates:
            gate.reload()
            try:
                if tls is not None and new.server.tls_cert:
                    tls.load(new.server.tls_cert, new.server.tls_key)
                await lineup.change(new, service, embedder)
                metrics.expect(pool.name for pool in lineup.pools)
            except SettingsError as error:
                logger.error("the settings stay as they were: %s", error.message)
            else:
                changed()
        process.stop()

    metrics.worker_starts.inc()
    measuring = asyncio.ensure_future(measure(metrics))
    following: asyncio.Task[None] | None = None
    try:
        await lineup.start()
        await anyio.lowlevel.checkpoint()  # loads its backend: the first request would be held up by that for 12 ms
        # What is loaded by now stays. A collection would look through all of it, and hold every stream up meanwhile.
        gc.freeze()
        gc.set_threshold(*COLLECTIONS)
        gc.enable()
        sys.setswitchinterval(SWITCH_SECONDS)
        async with gate:
            following = asyncio.ensure_future(follow())
            await process.run(listener, started=started)
    finally:
        for task in (measuring, following):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await lineup.close()
        if traces is not None:
            await traces.close()


async def measure(metrics: Metrics) -> None:
    """The lag of the event loop and the board's page, as long as the process serves."""
    looks = 0
    while True:
        due = time.perf_counter() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        metrics.loop_lag.observe(max(0.0, time.perf_counter() - due))
        looks += 1
        if looks % LOOKS_PER_PAGE == 0:
            metrics.board.look()
