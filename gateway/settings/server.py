"""``[server]`` of gateway.toml: the process and its HTTP edge."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from gateway.core.errors import SettingsError

LONGEST_SECONDS = 86400.0
MOST_WORKERS = 256  # a typing error, not a machine


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the gateway listens, and how it treats requests. Each may be set by GATEWAY_<NAME> and some by a flag."""

    host: str = "127.0.0.1"  # address to listen on; 0.0.0.0: all
    port: int = 9000  # 0: one that is free
    max_body_bytes: int = 16 * 1024 * 1024  # of a request; larger ones get 413
    ping_seconds: int = 15  # between comments on a silent stream, so that proxies keep it open
    workers: int = 1  # processes that share the port
    drain_seconds: float = 0.0  # at shutdown: not ready, but serving, for as long as balancers take to see it
    grace_seconds: float = 30.0  # at shutdown: for requests in flight, before they are ended with an error
    log_level: str = "info"  # what is logged: this and what is graver
    log_format: str = "text"  # for people, or "json": one object a line
    log_prompts: bool = False  # whether the log has the text of prompts, which is your users'
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose x-forwarded-for is believed
    tls_cert: str = ""  # PEM files of the certificate with its chain, and of its key: then clients speak HTTPS
    tls_key: str = ""  # the key's file, without a password
    strict: bool = False  # whether fields that nobody knows are refused
    playground: bool = True  # a page for people at /
    transport: str = "h2"  # to Triton: "h2", our own reader of HTTP/2, or "grpc", Google's library
    reasoning_field: str = "reasoning_content"  # or "reasoning", or "both": where thinking is given out

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must be between 0 and 65535, not {self.port}.")
        for name in ("max_body_bytes", "ping_seconds", "grace_seconds"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be more than 0.")
        for name in ("drain_seconds", "grace_seconds"):
            if not 0 <= getattr(self, name) <= LONGEST_SECONDS:
                raise SettingsError(f"{name} must be between 0 and {LONGEST_SECONDS:g}.")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise SettingsError("tls_cert and tls_key belong together: give both, or neither.")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise SettingsError(f"workers must be between 1 and {MOST_WORKERS}, not {self.workers}.")
        if self.reasoning_field not in ("reasoning_content", "reasoning", "both"):
            raise SettingsError(
                f"reasoning_field is {self.reasoning_field!r}, but must be reasoning_content, reasoning or both."
            )
        if self.transport not in ("h2", "grpc"):
            raise SettingsError(f"transport is {self.transport!r}, but must be h2 or grpc.")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"log_level is {self.log_level!r}, but must be debug, info, warning or error.")

        if self.log_format not in ("text", "json"):
            raise SettingsError(f"log_format is {self.log_format!r}, but must be text or json.")
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise SettingsError(
                    f"trusted_proxies has {proxy!r}, but must list IP addresses or networks such as 10.0.0.0/8."
                ) from None

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"

    @property
    def reasoning_names(self) -> tuple[str, ...]:
        """Fields in which replies give out thinking."""
        return ("reasoning_content", "reasoning") if self.reasoning_field == "both" else (self.reasoning_field,)
