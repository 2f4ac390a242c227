"""``[server]`` of gateway.toml: the process and its HTTP edge."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the gateway listens, and how it treats requests. Each may be set by GATEWAY_<NAME> and some by a flag."""

    host: str = "127.0.0.1"
    port: int = 9000
    max_body_bytes: int = 16 * 1024 * 1024
    ping_seconds: int = 15  # between comments on a silent stream, so that proxies keep it open
    grace_seconds: float = 30.0  # for streams in flight at shutdown
    log_level: str = "info"
    strict: bool = False  # whether fields that nobody knows are refused
    reasoning_field: str = "reasoning_content"  # or "reasoning", or "both": where thinking is given out

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must be between 0 and 65535, not {self.port}.")
        for name in ("max_body_bytes", "ping_seconds", "grace_seconds"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be more than 0.")
        if self.reasoning_field not in ("reasoning_content", "reasoning", "both"):
            raise SettingsError(
                f"reasoning_field is {self.reasoning_field!r}, but must be reasoning_content, reasoning or both."
            )
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"log_level is {self.log_level!r}, but must be debug, info, warning or error.")

    @property
    def reasoning_names(self) -> tuple[str, ...]:
        """Fields in which replies give out thinking."""
        return ("reasoning_content", "reasoning") if self.reasoning_field == "both" else (self.reasoning_field,)
