"""What a scenario is: a name, a sentence, and how it plays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loadtest.faults.result import Result
from loadtest.faults.stage import Stage


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    what: str
    play: Callable[[Stage, str], Awaitable[Result]]  # given the stage and the scenario's name
    short: bool = True  # whether it is part of the short run
    timeout: float = 120.0  # seconds; a scenario that takes longer has missed its goal


class NotHere(Exception):
    """The scenario cannot play on this machine; the text says what is missing."""
