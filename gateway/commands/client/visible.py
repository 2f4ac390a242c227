"""Text of strangers for a terminal: what would steer it, or turn text around, is shown instead of done. Pure."""

from __future__ import annotations

import re

# C0 but tab and newline, DEL, C1; lone surrogates; marks that reorder what stands around them.
_HOSTILE = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]"
)


def visible(text: str) -> str:
    r"""The text with ``\x1b`` and the like spelled out; lines may end as they do in Windows."""
    return _HOSTILE.sub(_spelled, text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """For tables and messages: one line of bounded length."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Visible:
    """``visible`` for text that comes in pieces: ``push`` them, and at the end ``flush``."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, text: str) -> str:
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""  # perhaps half of a line's end
        return visible(text.removesuffix(self._held) if self._held else text)

    def flush(self) -> str:
        held, self._held = self._held, ""
        return visible(held)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
