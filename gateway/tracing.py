"""Traces of requests by OpenTelemetry: a span for each request, and inside of it what its time went into.

It knows W3C's header, OpenTelemetry's SDK and recorders. It must not know HTTP frameworks. The spans inside are made
when the request is over, from the moments that its recorders noted anyway: a token costs nothing. The provider is our
own and never the process's global one, so frameworks with hooks for traces add none of theirs.

    POST /v1/chat/completions       server; the context of a traceparent is its parent, and Triton's spans its children
    ├── prompt                      the body read, the prompt rendered and tokenized, limits checked
    ├── queue                       waiting for room on an engine
    ├── first token                 from the sending to the last Triton that was tried, to its first text
    └── stream                      from the first text to the end
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextvars import Token
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.core.errors import SettingsError
from gateway.recorder import Recorder
from gateway.settings.tracing import Tracing
from gateway.trace_context import Headers, outgoing

if TYPE_CHECKING:
    from opentelemetry.trace import Span

EXPORT_SECONDS = 5.0  # for one delivery to a collector
CARRIED = ("traceparent", "tracestate")

# Of OpenTelemetry's conventions, where there is one.
_ATTRIBUTES = {
    "model": "gen_ai.request.model",
    "outcome": "gen_ai.response.finish_reasons",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "generated_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gateway.cached_tokens",
    "reasoning_tokens": "gateway.reasoning_tokens",
    "endpoint": "gateway.endpoint",
    "request_id": "gateway.request_id",
    "caller": "gateway.caller",
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "client": "client.address",
}


@dataclass(frozen=True, slots=True)
class Traced:
    """One request that is being traced. ``offset``: of ``perf_counter`` to the epoch, nanoseconds."""

    span: Span
    started: float
    offset: int
    sending: Token[Headers]


class Traces:
    """Where traces begin and where they are sent. For one process, and one event loop."""

    def __init__(self, settings: Tracing) -> None:
        """SettingsError where the optional packages are missing."""
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as exc:
            raise SettingsError(
                "[tracing] needs optional packages: pip install 'qwen-triton-gateway[otel]', or take its endpoint away."
            ) from exc
        resource = Resource.create(
            {
                "service.name": settings.service_name,
                "service.version": __version__,
                "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
            }
        )
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gateway", __version__)
        self._context = TraceContextTextMapPropagator()
        self._trace = trace

    def begin(self, method: str, headers: Mapping[str, str]) -> Traced:
        """A request came. From here on what is sent for it carries its context."""
        given = {name: headers[name] for name in CARRIED if name in headers}
        parent = self._context.extract(given)
        started, now = time.perf_counter(), time.time_ns()
        span = self._tracer.start_span(method, parent, kind=self._trace.SpanKind.SERVER, start_time=now)
        carried: dict[str, str] = {}
        self._context.inject(carried, self._trace.set_span_in_context(span))
        return Traced(span, started, now - int(started * 1e9), outgoing.set(tuple(carried.items())))

    def end(self, traced: Traced, route: str, fields: Mapping[str, Any], records: Sequence[Recorder]) -> None:
        """It is over. ``route``: its path as declared. ``fields``: what the log says of it."""
        outgoing.reset(traced.sending)
        span = traced.span
        if not span.is_recording():
            return
        span.update_name(f"{fields['method']} {route}")
        span.set_attribute("http.route", route)
        for name, attribute in _ATTRIBUTES.items():
            if fields.get(name) not in (None, ""):
                span.set_attribute(attribute, fields[name])
        if fields["status"] >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        inside = self._trace.set_span_in_context(span)

        def spent(name: str, began: float, ended: float, **attributes: Any) -> None:
            child = self._tracer.start_span(
                name, inside, attributes=attributes, start_time=traced.offset + int(began * 1e9)
            )
            child.end(traced.offset + int(max(began, ended) * 1e9))

        if records:
            spent("prompt", traced.started, records[0].started)
        for record in records:
            if record.queue_seconds is not None:
                spent("queue", record.started, record.started + record.queue_seconds)
            if record.sent is not None and record.endpoint is not None:
                spent("first token", record.sent, record.first or record.ended, endpoint=record.endpoint)
            if record.first is not None:
                spent("stream", record.first, record.ended, outcome=record.outcome)
        span.end()

    async def close(self) -> None:
        """Sends what is left, as long as that takes within its bounds. In a thread that nothing waits for: a collector
        that swallows everything must not hold up the end."""
        sent: Future[None] = Future()

        def send() -> None:
            self._provider.shutdown()
            sent.set_result(None)

        threading.Thread(target=send, daemon=True).start()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(sent), EXPORT_SECONDS + 1)
