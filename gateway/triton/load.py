"""The load of one Triton as its metrics page tells it.

It knows the names that TensorRT-LLM's backends give their gauges. It must not know what a load is good for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Requests in the engine, requests before it, and the share of its KV cache in use; each None if unknown."""

    running: int | None = None
    waiting: int | None = None
    kv_used_fraction: float | None = None


class LoadReader:
    """Reads one metrics page."""

    def __init__(self, url: str, *, model: str | None = None, timeout_seconds: float = 2.0) -> None:
        """``model``: the Triton model whose load it is; None: all that the page has."""
        self.url = url
        self._model = model
        self._timeout = timeout_seconds

    async def read(self) -> Load | None:
        """The load now; None where the page cannot be had or says nothing about it. Never raises."""
        return None
