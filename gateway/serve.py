"""The composition root: settings → tokenizers, backends, service, application → uvicorn. Nothing else makes these."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import uvicorn

from gateway import __version__, checkpoint
from gateway.core.errors import SettingsError
from gateway.core.sampling import ModelLimits
from gateway.embedder import Embedder, ServedEmbedding
from gateway.embedding_tokenizer import JsonTokenizer
from gateway.http.answer import EndpointSettings
from gateway.http.app import create_app
from gateway.metrics import Metrics
from gateway.service import ServedModel, Service, with_adapters
from gateway.settings import Settings
from gateway.settings.models import EmbeddingSettings, ModelSettings
from gateway.tokenizer import HuggingFaceTokenizer
from gateway.triton.backend import Backend
from gateway.triton.embedding_backend import EmbeddingBackend
from gateway.triton.grpc_transport import GrpcTransport

logger = logging.getLogger("gateway")


def served_model(settings: ModelSettings) -> ServedModel:
    """A model wired to its tokenizer and its Triton."""
    tokenizer = HuggingFaceTokenizer.load(settings.tokenizer)
    folder = Path(settings.tokenizer)
    max_model_len = settings.max_model_len or checkpoint.max_model_len(folder)
    if max_model_len is None:
        raise SettingsError(
            f"model '{settings.name}': nobody says how many tokens the engine can hold. Set max_model_len "
            "(--max-model-len) to the engine's max_seq_len."
        )
    end_ids = settings.eos_token_ids or checkpoint.eos_token_ids(folder) or tokenizer.end_ids
    if not end_ids:
        raise SettingsError(f"model '{settings.name}': no end token is known. Set eos_token_ids in gateway.toml.")
    return ServedModel(
        limits=ModelLimits(settings.name, max_model_len, end_ids, vocab_size=settings.vocab_size),
        tokenizer=tokenizer,
        backend=Backend(
            GrpcTransport(settings.triton[0]),
            route=settings.route,
            triton_models=settings.triton_models,
            tokens_per_block=settings.tokens_per_block,
        ),
        created=int(time.time()),
    )


def served_embedding(settings: EmbeddingSettings) -> ServedEmbedding:
    """An embedding model wired to its tokenizer, if it has one, and its Triton."""
    tokenizer = None if settings.tokenizer is None else JsonTokenizer.load(settings.tokenizer)
    max_model_len = settings.max_model_len
    if max_model_len is None and settings.tokenizer is not None:
        max_model_len = checkpoint.max_model_len(Path(settings.tokenizer))
        if max_model_len is None:
            raise SettingsError(
                f"embedding model '{settings.name}': nobody says how many tokens an input may have. Set max_model_len."
            )
    return ServedEmbedding(
        name=settings.name,
        tokenizer=tokenizer,
        backend=EmbeddingBackend(GrpcTransport(settings.triton[0]), settings.route(max_model_len)),
        created=int(time.time()),
        max_model_len=max_model_len,
    )


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Runs until a signal. Everything is made inside the event loop, because gRPC channels belong to one."""
    server = settings.server
    metrics = Metrics()
    models: dict[str, ServedModel] = {}
    for model in settings.models:
        models |= with_adapters(served_model(model), model.loras)
    service = Service(models, metrics, strict=server.strict)
    embeddings = {model.name: served_embedding(model) for model in settings.embeddings}
    embedder = Embedder(embeddings, metrics, strict=server.strict)
    edge = EndpointSettings(server.max_body_bytes, server.ping_seconds, server.grace_seconds, server.reasoning_names)
    config = uvicorn.Config(
        create_app(service, embedder, metrics, edge),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(server.grace_seconds) + 1,
    )
    host, port = listener.getsockname()[:2]
    names = ", ".join([*service.models, *embedder.models])
    logger.info("gateway %s on http://%s:%d, models: %s", __version__, host, port, names)
    await uvicorn.Server(config).serve(sockets=[listener])
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
