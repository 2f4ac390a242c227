"""The value of ``arguments`` in a Hermes call, as the text a client gets: what the model wrote, but for two habits of
models. An object written as a string (encoded twice) is given unescaped, and null or an empty string as ``{}``.

Nothing of the value is kept; held are a word up to its end and whitespace at the beginning of a string (``BLANK``).
"""

from __future__ import annotations

import re

from gateway.core.parse.json_text import JsonValue, unescape
from gateway.core.parse.tags import WHITESPACE

EMPTY = "{}"
BLANK = 256
_WORDS = {"null": EMPTY, "true": "true", "false": "false"}
_NO_WORD = re.compile("[^a-z]")


class Arguments:
    """``begun``: certain to be a value. ``bad``: certain to be none. ``ended``: all of it was given."""

    __slots__ = ("_lead", "_object", "_value", "_word", "bad", "begun", "ended")

    def __init__(self) -> None:
        self.bad = self.begun = self.ended = False
        self._value: JsonValue | None = None
        self._word: str | None = None
        self._lead: tuple[str, str] | None = None  # of a string: as it stands, and what it says
        self._object = False  # whether the string is an object

    def scan(self, text: str, at: int, end: int) -> tuple[int, str]:
        """How far the text was read, and what to give of it. Reading stops in front of what is not the value's, of
        ``<`` outside of strings, and of an escape that is cut off."""
        if not self.begun and self._word is None:
            first = text[at]
            self.begun = first in '{["-0123456789'
            if first == '"':
                self._lead = (first, "")
                at += 1
            elif self.begun:
                self._value = JsonValue()
            else:
                self._word = ""
        if self._word is not None:
            return self._read_word(self._word, text, at, end)
        if self._value is None:
            return self._read_string(text, at, end)
        stop = self._value.scan(text, at, end)
        self.ended = self._value.ended
        return stop, text[at:stop]

    def _read_word(self, word: str, text: str, at: int, end: int) -> tuple[int, str]:
        behind = _NO_WORD.search(text, at, min(end, at + 6))
        stop = min(end, at + 6) if behind is None else behind.start()
        self._word = word = word + text[at:stop]
        if behind is None and len(word) < 6:
            return stop, ""
        given = _WORDS.get(word, "")
        self.bad = not given
        self.begun = self.ended = not self.bad
        return stop, given

    def _read_string(self, text: str, at: int, end: int) -> tuple[int, str]:
        stop, said, self.ended = unescape(text, at, end)
        if self._lead is None:
            return stop, said if self._object else text[at:stop]
        written, lead = self._lead
        written, lead = written + text[at:stop], lead + said
        body = lead.lstrip(WHITESPACE)
        blank = len(lead) - len(body)
        self._lead = None
        if blank > BLANK or (body and body[0] != "{"):
            return stop, written
        if body:
            self._object = True
            return stop, body
        if self.ended:
            return stop, EMPTY
        self._lead = (written, lead)
        return stop, ""
