"""A collector of traces: a real HTTP server that takes OTLP, as protobuf from the gateway and as JSON from Triton.

It knows OTLP's two encodings. It must not know whose spans it keeps.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Span:
    """Ids are hexadecimal; ``parent`` is empty where there is none. Times are nanoseconds."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    started: int
    ended: int
    attributes: dict[str, Any]
    failed: bool


@dataclass(slots=True)
class Collector:
    """What came so far."""

    url: str
    _spans: list[Span] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans() if span.name == name]

    def take(self, body: bytes, kind: str) -> None:
        spans = _of_json(json.loads(body)) if "json" in kind else _of_protobuf(body)
        with self._lock:
            self._spans += spans


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(body, self.headers["content-type"])
            self.send_response(200)
            self.send_header("content-type", self.headers["content-type"])
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector = Collector(f"http://127.0.0.1:{server.server_address[1]}/v1/traces")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _of_protobuf(body: bytes) -> list[Span]:
    found = []
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = {each.key: each.value.string_value for each in group.resource.attributes}.get("service.name", "")
        for span in (span for scope in group.scope_spans for span in scope.spans):
            values = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
            found.append(
                Span(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    values,
                    span.status.code == 2,
                )
            )
    return found


def _of_json(document: Any) -> list[Span]:
    found = []
    for group in document["resourceSpans"]:
        service = {each["key"]: each["value"].get("stringValue") for each in group["resource"]["attributes"]}
        for span in (span for scope in group["scopeSpans"] for span in scope["spans"]):
            values = {each["key"]: next(iter(each["value"].values())) for each in span.get("attributes", [])}
            found.append(
                Span(
                    service.get("service.name") or "",
                    span["name"],
                    span["traceId"].lower(),
                    span["spanId"].lower(),
                    span.get("parentSpanId", "").lower(),
                    int(span["startTimeUnixNano"]),
                    int(span["endTimeUnixNano"]),
                    values,
                    False,
                )
            )
    return found
