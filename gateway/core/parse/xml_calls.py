"""Tool calls as Qwen3-Coder writes them:

    <tool_call>
    <function=weather>
    <parameter=city>
    Paris
    </parameter>
    </function>
    </tool_call>

It knows these tags and the newlines inside of them. The JSON of the arguments is ours: ``{"city": "Paris"}``, with
values typed by the tool's schema (see ``values``), well formed where the call is complete.

The model is known to leave out ``<tool_call>``: ``<function=`` of a tool that was offered begins a call too. In both
cases the call is certain once ``<parameter=`` or an end tag follows the name, so prose about the format stays prose;
what is held until then is described in ``machine``. Also known: no ``</parameter>`` in front of the last end tags, and
no ``</function>`` or ``</tool_call>`` at all: text where a parameter could stand ends the call, and is content. After a
call has begun, at most a beginning of these tags and the value of one parameter that is no string are held, the latter
as far as ``values`` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.core.parse.machine import CallMachine, State
from gateway.core.parse.tags import Tags
from gateway.core.parse.values import Kinds, Value, parameter_kinds, quoted
from gateway.core.types import Part

NAME = 256  # characters of a function's or parameter's name

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_FUNCTION, _FUNCTION_END = "<function=", "</function>"
_PARAMETER, _PARAMETER_END = "<parameter=", "</parameter>"
_OPENERS = Tags(_OPEN, _FUNCTION)
_FIRST = Tags(_FUNCTION)
_HEAD = Tags(_PARAMETER, _FUNCTION_END, _CLOSE)
_MEMBERS = Tags(_PARAMETER, _PARAMETER_END, _FUNCTION_END, _CLOSE)
_VALUE_END = Tags(_PARAMETER_END, f"{_FUNCTION_END}\n{_CLOSE}", f"{_FUNCTION_END}{_CLOSE}")
_CLOSER = Tags(_CLOSE)
_SPACE = re.compile(r"[ \t\r\n]*")
_NAME_END = re.compile(r"[>\n<]")


class XmlCalls(CallMachine):
    """Text in, content and calls out. ``tools``: the JSON schema of the parameters by the tool's name."""

    __slots__ = ("_bare", "_before", "_given", "_kinds", "_name", "_tools", "_value", "_word")

    def __init__(
        self, *, tools: Mapping[str, Mapping[str, Any]], call_id: Callable[[int], str], parallel: bool = True
    ) -> None:
        super().__init__(_OPENERS, call_id, parallel)
        self._tools = tools
        self._kinds: dict[tuple[str, str], Kinds | None] = {}
        self._bare = False
        self._name = ""
        self._word = ""  # a name as far as it came
        self._given = 0  # parameters of the call
        self._before = ""  # what comes before the value that is read: the bracket or comma, and its key
        self._value = Value(None)

    def _opened(self, tag: str) -> State:
        self._bare = tag == _FUNCTION
        self._word = ""
        return XmlCalls._function if self._bare else XmlCalls._first

    def _ended(self) -> None:
        if self._state is not CallMachine._text and self._raw is None:
            self._carry = ""  # the beginning of a tag

    # In front of the first parameter. Everything is still held.

    def _first(self, text: str, at: int, end: int, out: list[Part]) -> int:
        at = _skip(text, at, end)
        if at == end:
            return end
        tag = _FIRST.stands(text, at)
        if tag is None:
            return self._give_back(text, at, out)
        if tag == "":
            self._carry = text[at:]
            return at
        self._state = XmlCalls._function
        return at + len(tag)

    def _read(self, text: str, at: int, end: int) -> tuple[int, bool]:
        """Read more of a name: how far, and whether it still can be one. It ends in front of ``>``."""
        found = _NAME_END.search(text, at, end)
        stop = end if found is None else found.start()
        self._word += text[at:stop]
        return stop, len(self._word) <= NAME and (found is None or (found.group() == ">" and bool(self._word.strip())))

    def _function(self, text: str, at: int, end: int, out: list[Part]) -> int:
        stop, fits = self._read(text, at, end)
        if fits and stop == end:
            return stop
        name = self._word.strip()
        if not fits or (self._bare and name not in self._tools):
            return self._give_back(text, stop, out)
        self._name = name
        self._state = XmlCalls._head
        return stop + 1

    def _head(self, text: str, at: int, end: int, out: list[Part]) -> int:
        at = _skip(text, at, end)
        if at == end:
            return end
        tag = _HEAD.stands(text, at)
        if tag is None:
            return self._give_back(text, at, out)
        if tag == "":
            self._carry = text[at:]
            return at
        self._begin(self._name, out)
        self._given = 0
        self._state = XmlCalls._members
        return at

    # The parameters: from here on it is a call.

    def _members(self, text: str, at: int, end: int, out: list[Part]) -> int:
        stop = _skip(text, at, end)
        self._prose.add(text[at:stop], out)
        if stop == end:
            return end
        tag = _MEMBERS.stands(text, stop)
        if tag == "":
            self._carry = text[stop:]
            return stop
        if tag == _PARAMETER:
            self._word = ""
            self._state = XmlCalls._key
            return stop + len(tag)
        if tag == _PARAMETER_END:
            return stop + len(tag)
        self._finish(out)
        if tag in (_FUNCTION_END, _CLOSE):
            self._prose.take()
            self._state = XmlCalls._after if tag == _FUNCTION_END else CallMachine._text
            return stop + len(tag)
        return stop  # another call, or content

    def _finish(self, out: list[Part]) -> None:
        self._argue("}" if self._given else "{}", out)
        self._complete()
        self._close()

    def _key(self, text: str, at: int, end: int, out: list[Part]) -> int:
        stop, fits = self._read(text, at, end)
        if not fits:
            self._finish(out)
            self._prose.add(_PARAMETER + self._word, out)
            return stop
        if stop == end:
            return stop
        self._prose.take()
        key = self._word.strip()
        known = (self._name, key)
        if known not in self._kinds:
            self._kinds[known] = parameter_kinds(self._tools.get(self._name), key)
        self._value = Value(self._kinds[known])
        self._before = ("{" if self._given == 0 else ", ") + quoted(key) + ": "
        self._given += 1
        self._state = XmlCalls._first_line
        return stop + 1

    def _first_line(self, text: str, at: int, end: int, out: list[Part]) -> int:
        self._state = XmlCalls._lines
        return at + 1 if text[at] == "\n" else at

    def _lines(self, text: str, at: int, end: int, out: list[Part]) -> int:
        tag = _VALUE_END.search(text, at)
        stop = _VALUE_END.beginning(text, at) if tag is None else tag.start()
        if text.endswith("\n", at, stop):
            stop -= 1
        given = self._value.push(text[at:stop]) if stop > at else ""
        if tag is None:
            self._carry = text[stop:]
        else:
            given += self._value.end()
            self._state = XmlCalls._members
        if given:
            self._argue(self._before + given, out)
            self._before = ""
        if tag is None:
            return end
        return tag.end() if tag.group() == _PARAMETER_END else tag.start()

    def _after(self, text: str, at: int, end: int, out: list[Part]) -> int:
        stop = _skip(text, at, end)
        self._prose.add(text[at:stop], out)
        if stop == end:
            return end
        tag = _CLOSER.stands(text, stop)
        if tag == "":
            self._carry = text[stop:]
        elif tag is None:
            self._close()
        else:
            self._prose.take()
            self._close()
            return stop + len(tag)
        return stop


def _skip(text: str, at: int, end: int) -> int:
    found = _SPACE.match(text, at, end)
    return at if found is None else found.end()
