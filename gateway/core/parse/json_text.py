"""JSON text that comes in pieces: where a value ends, and what a string says.

It knows brackets, quotes and escapes, and never builds a value. It is lenient: text that is not quite JSON still has
an end, and whoever asked for it gets what the model wrote. Its state is a few numbers, whatever the length of the text.
"""

from __future__ import annotations

import re

_OUTSIDE = re.compile(r'["{}\[\]<]')
_INSIDE = re.compile(r'["\\]')
_SCALAR_END = re.compile(r"[ \t\r\n,}\]<]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([^u]))", re.DOTALL)
_LOW = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_CUT_LOW = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
_CUT = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_SAYS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_STRAY = "\ufffd"  # for half of a surrogate pair, which no encoding can carry


class JsonValue:
    """The end of one value. ``depth``: how many brackets were opened before the text that is scanned."""

    __slots__ = ("_depth", "_escaped", "_quoted", "_scalar", "_started", "ended")

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._started = depth > 0
        self._escaped = self._quoted = self._scalar = False
        self.ended = False

    def scan(self, text: str, at: int, end: int) -> int:
        """How far, from ``at`` and at most to ``end``, the text belongs to the value; ``ended`` if it ends there.

        Stops in front of ``<`` outside of strings too: a tag may stand there. Go on behind it if none does.
        """
        if not self._started and at < end:
            self._started = True
            self._scalar = text[at] not in '{["'
        if self._scalar:
            delimiter = _SCALAR_END.search(text, at, end)
            self.ended = delimiter is not None
            return end if delimiter is None else delimiter.start()
        while at < end:
            if self._quoted:
                at = self._string(text, at, end)
            else:
                found = _OUTSIDE.search(text, at, end)
                if found is None:
                    return end
                char = text[found.start()]
                if char == "<":
                    return found.start()
                at = found.end()
                if char == '"':
                    self._quoted = True
                elif char in "{[":
                    self._depth += 1
                else:
                    self._depth -= 1
            if self._depth <= 0 and not self._quoted:
                self.ended = True
                break
        return at

    def _string(self, text: str, at: int, end: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        found = _INSIDE.search(text, at, end)
        if found is None:
            return end
        if text[found.start()] == '"':
            self._quoted = False
        else:
            self._escaped = True
        return found.end()


def unescape(text: str, at: int, end: int) -> tuple[int, str, bool]:
    """Inside of a string: how far was read, what that says, and whether the closing quote was read.

    Less than ``end`` was read if the text ends within an escape (at most 11 characters are left). An escape that JSON
    does not have stays as it is.
    """
    said: list[str] = []
    while at < end:
        found = _INSIDE.search(text, at, end)
        stop = end if found is None else found.start()
        said.append(text[at:stop])
        at = stop
        if found is None:
            break
        if text[at] == '"':
            return at + 1, "".join(said), True
        escape = _ESCAPE.match(text, at, end)
        if escape is None:
            if _CUT.fullmatch(text, at, end):
                break
            said.append(text[at])
            at += 1
            continue
        at = escape.end()
        code, char = escape.groups()
        if code is None:
            said.append(char if char in '"\\/' else _SAYS.get(char, escape.group()))
            continue
        unit = int(code, 16)
        if 0xD800 <= unit < 0xDC00:
            low = _LOW.match(text, at, end)
            if low is not None:
                at = low.end()
                said.append(chr(0x10000 + ((unit - 0xD800) << 10) + int(low.group(1), 16) - 0xDC00))
                continue
            if _CUT_LOW.fullmatch(text, at, end):
                at = escape.start()
                break
        said.append(_STRAY if 0xD800 <= unit < 0xE000 else chr(unit))
    return at, "".join(said), False
