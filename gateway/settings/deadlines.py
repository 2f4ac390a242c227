"""``[deadlines]`` of gateway.toml: how long a request may take where. It knows seconds; the service acts on them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.settings.toml import check_seconds


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds; 0: no limit. What passes one is ended in the engine: 504 before the first piece, an error frame after.

    The defaults leave room for a prefill of 100,000 tokens on a busy GPU, and end what has plainly hung.
    """

    connect_seconds: float = (
        5.0  # for Triton to answer a call that carries no generation, and for a connection to stand
    )
    first_token_seconds: float = 300.0  # from sending to the first response, queueing in Triton included
    idle_seconds: float = 60.0  # between two responses of a stream
    hedge_seconds: float = 0.0  # without a first token, and a second Triton gets the request too; 0: never
    total_seconds: float = 3600.0  # from sending to the last response

    def __post_init__(self) -> None:
        check_seconds(self, "[deadlines]")
