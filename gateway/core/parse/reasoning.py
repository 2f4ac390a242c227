"""The split of thinking from the answer: ``<think>\\n…\\n</think>\\n\\n`` at its beginning.

It knows these two tags and the newlines that Qwen's templates put next to them: one after ``<think>``, one before
``</think>``, two after it; those are dropped, everything else is kept to the byte. It must not know about requests:
whether an answer begins inside of a thought is read off the rendered prompt, because settings say what was asked and
only the prompt says what was done.

At most a beginning of a tag with its newline is held back, and at the start of an answer up to ``LEADING`` characters
of whitespace.
"""

from __future__ import annotations

from gateway.core.parse.tags import WHITESPACE, Tags
from gateway.core.types import Part, Reasoning, Thinking

LEADING = 256  # whitespace in front of <think>; an answer that begins with more is no thought

_OPEN, _CLOSE = "<think>", "</think>"
_CLOSING = Tags(_CLOSE)
_HEADER, _TURN_END = "<|im_start|>assistant", "<|im_end|>"


def thinking_state(prompt_tail: str, *, thinks: bool) -> Thinking:
    """Where the answer to a prompt begins. ``inside``: in an open thought. ``off``: in the answer proper. ``maybe``: a
    leading ``<think>`` opens a thought.

    Only what follows the last assistant header counts, and there only a ``<think>`` that leads: a text that talks
    about the tag is no thought. ``prompt_tail`` should reach back to that header; without one (another template) the
    very end decides.
    """
    _, header, begun = prompt_tail.rpartition(_HEADER)
    begun = begun.strip(WHITESPACE)
    if not header:
        if begun.endswith(_OPEN):
            return "inside"
        if begun.endswith(_CLOSE):
            return "off"
    elif _TURN_END not in begun:
        if begun.startswith(_OPEN) and _CLOSE not in begun:
            return "inside"
        if begun:
            return "off"
    return "maybe" if thinks else "off"


class ThinkSplit:
    """Text in; thoughts go to ``out``, the rest is returned. Once ``over``, all that follows is answer."""

    __slots__ = ("_fresh", "_held", "_newlines", "_state")

    def __init__(self, thinking: Thinking) -> None:
        self._state: Thinking = thinking
        self._held = ""
        self._fresh = True  # the newline after <think> may come; "inside", the prompt may have left it to the model
        self._newlines = 0  # those after </think> that may come

    @property
    def inside(self) -> bool:
        return self._state == "inside"

    @property
    def over(self) -> bool:
        return self._state == "off" and not self._newlines

    def push(self, text: str, out: list[Part]) -> str:
        if not text:
            return ""
        if self._held:
            text, self._held = self._held + text, ""
        if self._state == "maybe":
            text = self._lead(text)
        if self._state == "inside":
            text = self._think(text, out)
        if self._newlines and text:
            kept = text.removeprefix("\n" * self._newlines)
            if kept == text:
                kept = text.removeprefix("\n")
            self._newlines = 0 if kept else self._newlines - (len(text) - len(kept))
            text = kept
        return text

    def _lead(self, text: str) -> str:
        body = text.lstrip(WHITESPACE)
        if len(text) - len(body) > LEADING:
            self._state = "off"
        elif body.startswith(_OPEN):
            self._state = "inside"
            return body[len(_OPEN) :]
        elif _OPEN.startswith(body):
            self._held = text
            return ""
        else:
            self._state = "off"
        return text

    def _think(self, text: str, out: list[Part]) -> str:
        if self._fresh and text:
            self._fresh = False
            text = text.removeprefix("\n")
        end = text.find(_CLOSE)
        if end >= 0:
            self._state, self._newlines = "off", 2
            thought, rest = text[:end].removesuffix("\n"), text[end + len(_CLOSE) :]
        else:
            end = _CLOSING.beginning(text, 0)
            if text.endswith("\n", 0, end):
                end -= 1
            thought, rest, self._held = text[:end], "", text[end:]
        if thought:
            out.append(Reasoning(thought))
        return rest

    def flush(self, out: list[Part]) -> str:
        """At the end of the text: what was held back. A thought without its end stays a thought."""
        held, self._held = self._held, ""
        if held and self._state == "inside":
            out.append(Reasoning(held))
            return ""
        return held
