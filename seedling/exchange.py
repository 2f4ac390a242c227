"""One question and its answer: what every generator of the corpus makes. No I/O, no randomness."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the user says and what the assistant should think, say and call."""

    user: str
    answer: str
    thought: str = ""
    zh: bool = False
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation whose last turn, the assistant's, is to be learned. `messages` and `tools` are in OpenAI's shape."""

    messages: tuple[dict[str, Any], ...]
    answer: str
    thought: str = ""
    calls: tuple[Call, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    thinking: bool = False
    kind: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
