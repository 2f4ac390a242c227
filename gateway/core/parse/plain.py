"""An answer that is nothing but content."""

from __future__ import annotations

from gateway.core.types import Content, Part


class Plain:
    """Text in, content out, nothing held."""

    __slots__ = ()
    reasoning: bool = False
    called: bool = False
    done: bool = False
    thought: bool = True

    def push(self, text: str) -> list[Part]:
        return [Content(text)] if text else []

    def flush(self) -> list[Part]:
        return []
