"""Who asks: what a key lets its owner do. It knows names and limits; it must not know keys, hashes, HTTP or a clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Priority = Literal["high", "normal", "low"]  # the class in which a caller's requests wait


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a key, as ``request.state.caller`` and the service see one.

    ``name`` is the operator's, never the key. ``models`` None: all of them. Limits of 0: none.
    """

    name: str
    priority: Priority = "normal"
    models: frozenset[str] | None = None
    max_streams: int = 0  # requests being answered or waiting at once
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    admin: bool = False

    def may_use(self, model: str) -> bool:
        """Whether a model of that name may be asked."""
        return self.models is None or model in self.models


ANYONE = Caller("")  # everybody, where no keys are configured


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. ``session``: what its client says belongs together, and goes to one Triton."""

    caller: Caller = ANYONE
    session: str | None = None


NOBODY = Origin()
