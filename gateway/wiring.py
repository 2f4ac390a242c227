"""Settings → served models: tokenizers, pools and the backends in them. Nothing else makes these.

It knows every constructor on the way to Triton. It must not know HTTP or processes; ``serve`` does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gateway import checkpoint
from gateway.admission import Admission
from gateway.attempts import Attempts
from gateway.core.balance import Fleet, Outcome
from gateway.core.errors import SettingsError
from gateway.core.sampling import ModelLimits
from gateway.core.tls import ClientTls
from gateway.embedder import ServedEmbedding
from gateway.embedding_tokenizer import JsonTokenizer
from gateway.metrics import ERRORS, Metrics
from gateway.service import ServedModel
from gateway.settings import Settings
from gateway.settings.models import EmbeddingSettings, ModelSettings
from gateway.tokenizer import HuggingFaceTokenizer
from gateway.triton.backend import Backend
from gateway.triton.discovery import source
from gateway.triton.h2.transport import H2Transport
from gateway.triton.member import Looks, Served
from gateway.triton.pool import Pool
from gateway.triton.tls import context
from gateway.triton.transport import Transport

B = TypeVar("B", bound=Served[Any])


class Wiring:
    """Makes pools and models of settings, inside the event loop that serves them."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.attempts = Attempts(settings.deadlines, lambda model: metrics.failovers.labels(model).inc())
        self.admission = Admission(settings.admission, metrics)

    def served_model(self, settings: ModelSettings) -> ServedModel:
        """A model wired to its tokenizer and its Tritons."""
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

        def connect(address: str) -> Backend:
            return Backend(
                self._transport(address, settings.tls),
                route=settings.route,
                triton_models=settings.triton_models,
                tokens_per_block=settings.tokens_per_block,
            )

        return ServedModel(
            limits=ModelLimits(settings.name, max_model_len, end_ids, vocab_size=settings.vocab_size),
            tokenizer=tokenizer,
            pool=self._pool(settings, connect, settings.triton_metrics, settings.tokens_per_block),
            created=int(time.time()),
        )

    def served_embedding(self, settings: EmbeddingSettings) -> ServedEmbedding:
        """An embedding model wired to its tokenizer, if it has one, and its Tritons."""
        from gateway.triton.embedding_backend import EmbeddingBackend  # loads numpy

        tokenizer = None if settings.tokenizer is None else JsonTokenizer.load(settings.tokenizer)
        max_model_len = settings.max_model_len
        if max_model_len is None and settings.tokenizer is not None:
            max_model_len = checkpoint.max_model_len(Path(settings.tokenizer))
            if max_model_len is None:
                raise SettingsError(
                    f"embedding model '{settings.name}': nobody says how many tokens an input may have. Set "
                    "max_model_len."
                )
        route = settings.route(max_model_len)
        return ServedEmbedding(
            name=settings.name,
            tokenizer=tokenizer,
            pool=self._pool(settings, lambda address: EmbeddingBackend(self._transport(address, settings.tls), route)),
            created=int(time.time()),
            max_model_len=max_model_len,
        )

    def _transport(self, address: str, tls: ClientTls | None) -> Transport:
        seconds = self._settings.deadlines.connect_seconds or 5.0
        if self._settings.server.transport == "h2":
            return H2Transport(address, control_timeout=seconds, connect_timeout=seconds, tls=tls)
        from gateway.triton.grpc_transport import GrpcTransport  # a third of a second, for those who want it

        return GrpcTransport(address, control_timeout=seconds, tls=tls)

    def _pool(
        self,
        settings: ModelSettings | EmbeddingSettings,
        connect: Callable[[str], B],
        metrics_url: str | None = None,
        tokens_per_block: int | None = None,
    ) -> Pool[B]:
        if settings.tls is not None:
            context(settings.tls)  # what is wrong with its files stops the start
        probes, balance = self._settings.probes, self._settings.balance

        def ended(outcome: Outcome) -> None:
            if outcome in ERRORS:
                self._metrics.upstream_errors.labels(settings.name, outcome.value).inc()

        return Pool(
            settings.name,
            source(
                settings.triton,
                metrics=metrics_url,
                dns_seconds=probes.dns_seconds,
                file_seconds=probes.file_seconds,
            ),
            connect,
            Fleet(
                balance, random=random.random, **({"tokens_per_block": tokens_per_block} if tokens_per_block else {})
            ),
            looks=Looks(
                probes.period_seconds,
                probes.timeout_seconds,
                balance.probe_failures,
                probes.load_seconds,
                probes.stall_seconds,
            ),
            engine=settings.direct if isinstance(settings, ModelSettings) else settings.triton_model,
            freed=lambda: self.admission.wake(settings.name),
            ended=ended,
        )
