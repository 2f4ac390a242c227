"""``[edge]`` of gateway.toml: what one client's connection and request may cost. It knows bytes, counts and seconds."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import SettingsError

# Each setting: the least and the most that can work.
RANGES: dict[str, tuple[float, float]] = {
    "max_headers": (10, 10_000),
    "max_header_bytes": (1024, 2**20),
    "head_seconds": (0.1, 3600),
    "body_seconds": (0.1, 3600),
    "keep_alive_seconds": (1, 3600),
    "stall_seconds": (1, 3600),
    "backlog_bytes": (1024, 2**28),
}


@dataclass(frozen=True, slots=True)
class Edge:
    """Bounds for clients that are slow, endless or hostile. The size of a body is [server] max_body_bytes."""

    max_headers: int = 100  # of one request
    max_header_bytes: int = 64 * 1024  # of all headers of a request and its URL together
    head_seconds: float = 10.0  # from the connection, or a request's first byte, to the end of its headers
    body_seconds: float = 30.0  # for a body to arrive, and a second more for each 64 KiB of it
    # A request that meets our close is an error at a proxy: nobody knows whether it was begun. Most keep theirs 60 s.
    keep_alive_seconds: float = 75.0  # without a request on a connection; longer than proxies keep idle ones
    stall_seconds: float = 30.0  # in which a client reads nothing of what waits for it; then the connection is dropped
    backlog_bytes: int = 256 * 1024  # of an answer that wait for a slow client; with more the request is cancelled

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise SettingsError(f"[edge] {name} must be {least:.10g} to {most:.10g}, not {value:g}.")
