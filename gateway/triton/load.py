"""The load of one Triton as its metrics page tells it.

It knows the names that TensorRT-LLM's backends give their gauges, and a page that is fetched within bounds. It must not
know what a load is good for. A page is another machine's text: it may be huge, slow, or no metrics at all.

Gauges, by release of the backend (request_type, kv_cache_block_type):

    nv_trt_llm_request_metrics           active, max, scheduled, context; waiting in later ones
    nv_trt_llm_kv_cache_block_metrics    max, free, used, tokens_per; fraction in later ones
    nv_inference_pending_request_count   Triton's own, for any model: requests that no backend has begun

What is missing is derived (waiting: active without scheduled; the fraction: used of max), or unknown.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from gateway.core.balance import Load

_REQUESTS = "nv_trt_llm_request_metrics"
_BLOCKS = "nv_trt_llm_kv_cache_block_metrics"
_PENDING = "nv_inference_pending_request_count"
_KINDS = {_REQUESTS: "request_type", _BLOCKS: "kv_cache_block_type", _PENDING: ""}
_PREFIXES = tuple(f"{name}{{" for name in _KINDS)

_MAX_BYTES = 4 * 1024 * 1024
_MAX_SAMPLES = 1_000  # of ours on a page: kinds × models × versions
_MAX_LINE = 1_000  # characters

# (name, kind) → sum over versions, for one model
Sums = dict[tuple[str, str], float]


class LoadReader:
    """Reads one metrics page."""

    def __init__(self, url: str, *, model: str | None = None, timeout_seconds: float = 2.0) -> None:
        """``model``: the Triton model that runs the engine; None: all on the page."""
        self.url = url
        self._model = model
        self._timeout = timeout_seconds
        self._tls = ssl.create_default_context() if url.startswith("https:") else None

    async def read(self) -> Load | None:
        """The load now; None where the page cannot be had in time or says nothing about it. Never raises."""
        try:
            page = await asyncio.wait_for(_fetched(self.url, self._tls), self._timeout)
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            return None
        return load_of(page, self._model)


def load_of(page: str, model: str | None = None) -> Load | None:
    """What a page tells of a model's load; None where it tells nothing."""
    sums = _sums(page, model)

    def count(name: str, kind: str) -> int | None:
        value = sums.get((name, kind))
        return None if value is None else round(value)

    running, waiting = count(_REQUESTS, "scheduled"), count(_REQUESTS, "waiting")
    active = count(_REQUESTS, "active")
    if running is None:
        running = active
    elif waiting is None and active is not None:
        waiting = max(0, active - running)
    pending = count(_PENDING, "")
    if waiting is None:
        waiting = pending
    elif pending is not None:
        waiting += pending  # one is before the backend, the other inside
    load = Load(running, waiting, _fraction(sums))
    return None if load == Load() else load


def _fraction(sums: Sums) -> float | None:
    """Of the KV cache: of blocks where there are counts, for a sum of fractions is none."""
    used, most, free = (sums.get((_BLOCKS, kind)) for kind in ("used", "max", "free"))
    fraction = sums.get((_BLOCKS, "fraction"))
    if most:
        if used is None and free is not None:
            used = most - free
        if used is not None:
            fraction = used / most
    return None if fraction is None else min(1.0, max(0.0, fraction))


def _sums(page: str, model: str | None) -> Sums:
    sums: Sums = {}
    for line in _ours(page):
        try:
            families = list(text_string_to_metric_families(line + "\n"))
        except (ValueError, KeyError, IndexError):
            continue  # a line that is broken says nothing, and the others stay good
        for sample in (sample for family in families for sample in family.samples):
            kind = _KINDS.get(sample.name)
            if kind is None or not math.isfinite(sample.value) or not 0 <= sample.value < 2**53:
                continue
            if model is None or sample.labels.get("model") == model:
                key = sample.name, sample.labels.get(kind, "")
                sums[key] = sums.get(key, 0.0) + sample.value
    return sums


def _ours(page: str) -> Iterable[str]:
    """The few lines that matter: the parser is slow, and the event loop waits for it."""
    found = [line for line in page.split("\n") if line.startswith(_PREFIXES) and len(line) <= _MAX_LINE]
    return found[:_MAX_SAMPLES]


async def _fetched(url: str, tls: ssl.SSLContext | None) -> str:
    """The body of a page, by HTTP/1.0: then nothing is chunked. OSError, ValueError or EOFError where there is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not a URL of http or https")
    port = parts.port or (80 if tls is None else 443)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls, limit=64 * 1024)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(
            f"GET {target} HTTP/1.0\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nAccept: text/plain\r\n\r\n".encode(
                "ascii"
            )
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        if head[0].split(" ")[1:2] != ["200"]:
            raise ValueError(f"{url} answers {head[0]!r}")
        length = next((int(line[15:]) for line in head if line.startswith("content-length:")), None)
        if length is not None and not 0 <= length <= _MAX_BYTES:
            raise ValueError(f"{url} has {length} bytes")
        body = bytearray()
        while length is None or len(body) < length:
            piece = await reader.read(64 * 1024)
            if not piece:
                break
            body += piece
            if len(body) > _MAX_BYTES:
                raise ValueError(f"{url} has more than {_MAX_BYTES} bytes")
        return body.decode("utf-8", "replace")
    finally:
        writer.transport.abort()
