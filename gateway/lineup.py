"""Which models are served: those of the settings, and after a change those of the new ones, with nobody disturbed.

It knows settings, models and their pools. It must not know files, signals or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from gateway.embedder import Embedder, ServedEmbedding
from gateway.service import ServedModel, Service, with_adapters
from gateway.settings import PARTS, Settings
from gateway.settings.models import EmbeddingSettings, ModelSettings
from gateway.triton.pool import Pool
from gateway.wiring import Wiring

logger = logging.getLogger("gateway")

S = TypeVar("S", ModelSettings, EmbeddingSettings)
M = TypeVar("M", ServedModel, ServedEmbedding)

LATE_SECONDS = 10.0  # in which requests that were being prepared arrive at a model that is gone
RELOADED = frozenset({"tls_cert", "tls_key"})  # of [server]


class Lineup:
    """The models. What did not change keeps its tokenizer, its connections and what is known of its Tritons."""

    def __init__(self, settings: Settings, wiring: Wiring) -> None:
        """SettingsError where a model cannot be made."""
        self.settings = settings
        self._wiring = wiring
        self._models = [(each, wiring.served_model(each)) for each in settings.models]
        self._embeddings = [(each, wiring.served_embedding(each)) for each in settings.embeddings]
        self._retiring: dict[asyncio.Task[None], Pool[Any]] = {}

    @property
    def models(self) -> dict[str, ServedModel]:
        """By the names that clients use, LoRAs included."""
        return {
            name: model
            for settings, made in self._models
            for name, model in with_adapters(made, settings.loras).items()
        }

    @property
    def embeddings(self) -> dict[str, ServedEmbedding]:
        return {made.name: made for _, made in self._embeddings}

    @property
    def pools(self) -> list[Pool[Any]]:
        pools: list[Pool[Any]] = [made.pool for _, made in self._models]
        return pools + [made.pool for _, made in self._embeddings]

    async def start(self) -> None:
        """Looks for every Triton once. One that is away may come later; until then requests get a 503."""
        await _start(self.pools)

    async def close(self) -> None:
        """Closes everything, that which is still draining too."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        pools = [*self.pools, *self._retiring.values()]
        await asyncio.gather(*(pool.close() for pool in pools))

    async def change(self, settings: Settings, service: Service, embedder: Embedder) -> None:
        """Serves what the new settings say, from one moment to the next. SettingsError before anything changed."""
        models = [await _kept_or_made(each, self._models, self._wiring.served_model) for each in settings.models]
        embeddings = [
            await _kept_or_made(each, self._embeddings, self._wiring.served_embedding) for each in settings.embeddings
        ]
        before, old = self.pools, self.settings
        now: list[Pool[Any]] = [made.pool for _, made in models]
        now += [made.pool for _, made in embeddings]
        await _start([pool for pool in now if pool not in before])
        self._models, self._embeddings, self.settings = models, embeddings, settings
        service.models, embedder.models = self.models, self.embeddings
        for pool in before:
            if pool not in now:
                task = asyncio.ensure_future(_retired(pool))
                self._retiring[task] = pool
                task.add_done_callback(lambda done: self._retiring.pop(done, None))
        logger.info("settings read again; models: %s", ", ".join([*service.models, *embedder.models]))
        if waiting := unreloaded(old, settings):
            logger.warning("changes in %s take effect at the next start", ", ".join(waiting))


def unreloaded(old: Settings, new: Settings) -> list[str]:
    """Settings that differ and are read at the start only, as [table] or [server] key."""
    tables = [f"[{name}]" for name in PARTS if name != "server" and getattr(old, name) != getattr(new, name)]
    server = [
        f"[server] {item.name}"
        for item in fields(new.server)
        if item.name not in RELOADED and getattr(old.server, item.name) != getattr(new.server, item.name)
    ]
    return [*server, *tables]


async def _kept_or_made(settings: S, known: Sequence[tuple[S, M]], make: Callable[[S], M]) -> tuple[S, M]:
    for before, made in known:
        if before == settings:
            return before, made
    return settings, await asyncio.to_thread(make, settings)  # a tokenizer takes long enough to stall every stream


async def _start(pools: Sequence[Pool[Any]]) -> None:
    await asyncio.gather(*(pool.start() for pool in pools))
    for pool in pools:
        if not pool.ready():
            logger.warning("model '%s': no Triton serves it now", pool.name)


async def _retired(pool: Pool[Any]) -> None:
    """Closes a pool that is served no longer, after its last request."""
    await asyncio.sleep(LATE_SECONDS)
    await pool.unused()
    await pool.close()
    logger.info("model '%s': the old one is drained and closed", pool.name)
