"""``[tracing]`` of gateway.toml: where traces of requests go, if anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Tracing:
    """Without an endpoint nothing is traced, and nothing is loaded for it."""

    endpoint: str = ""  # URL of a collector's OTLP over HTTP, with its path: http://otel:4318/v1/traces
    sample_ratio: float = 1.0  # of the requests about which no traceparent has decided
    service_name: str = "qwen-triton-gateway"  # under which traces are found

    def __post_init__(self) -> None:
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path in ("", "/"):
                raise SettingsError(
                    f"[tracing] endpoint is {self.endpoint!r}, but must be a URL with its path, such as "
                    "http://127.0.0.1:4318/v1/traces."
                )
        if not 0 <= self.sample_ratio <= 1:
            raise SettingsError(f"[tracing] sample_ratio must be between 0 and 1, not {self.sample_ratio:g}.")
        if not self.service_name:
            raise SettingsError("[tracing] service_name must not be empty.")
