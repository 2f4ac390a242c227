"""Tool calls as Qwen2.5 and Qwen3 write them, in the manner of Hermes:

    <tool_call>
    {"name": "weather", "arguments": {"city": "Paris"}}
    </tool_call>

It knows these tags, the object's two keys, and the ways in which models miss them: ``parameters`` for ``arguments``,
either order, none at all, several objects or a list in one pair of tags, a missing end tag or brace. It must not know
which tools there are. Arguments are slices of the text, never parsed nor written anew (see ``arguments``).

A call begins with its name and the first character of its arguments. Before that everything may still turn out to be
content (see ``machine`` for what that holds); after it nothing does: broken JSON reaches the client as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.core.parse.arguments import EMPTY, Arguments
from gateway.core.parse.json_text import JsonValue, unescape
from gateway.core.parse.machine import CallMachine, State
from gateway.core.parse.tags import Tags
from gateway.core.types import Part

_OPENERS = Tags("<tool_call>")
_CLOSER = Tags("</tool_call>")
_ARGUMENTS = ("arguments", "parameters")
_SPACE = re.compile(r"[ \t\r\n]*")
_COMMAS = re.compile(r"[ \t\r\n,]*")
_REST = re.compile(r"[ \t\r\n,}\]]*")  # between calls; closing brackets too many are a habit of small models
_UNFIT = re.compile(r"[<\x00-\x1f]")  # in no key and no name; a model that starts anew writes "<tool_call>" there


class Hermes(CallMachine):
    """Text in, content and calls out."""

    __slots__ = ("_arguments", "_aside", "_key", "_list", "_name", "_value", "_word")

    def __init__(self, *, call_id: Callable[[int], str], parallel: bool = True) -> None:
        super().__init__(_OPENERS, call_id, parallel)
        self._list = False
        self._key: str | None = None
        self._name: str | None = None
        self._word: list[str] = []  # of a key or the name
        self._aside: list[str] | None = None  # arguments that came before the name
        self._value = JsonValue()
        self._arguments = Arguments()

    def _opened(self, tag: str) -> State:
        self._list = False
        return Hermes._first

    def _ended(self) -> None:
        if self._state in (Hermes._tail, Hermes._between):
            self._raw = None
        if self._raw is None and self._state is not CallMachine._text:
            self._carry = ""  # the beginning of an end tag, or of an escape

    # In front of an object, and between its members. Everything is still held.

    def _first(self, text: str, at: int, end: int, out: list[Part]) -> int:
        at = _stop(_SPACE, text, at, end)
        if at == end:
            return end
        if text[at] == "{":
            return self._object(at)
        if text[at] == "[" and not self._list:
            self._list = True
            return at + 1
        return self._give_back(text, at, out)

    def _object(self, at: int) -> int:
        self._name = self._aside = None
        self._state = Hermes._member
        return at + 1

    def _member(self, text: str, at: int, end: int, out: list[Part]) -> int:
        at = _stop(_COMMAS, text, at, end)
        if at == end:
            return end
        if text[at] == '"':
            self._key = None
            return self._string(at)
        if text[at] == "}" and self._name is not None:
            self._begin(self._name, out)
            self._argue(EMPTY, out)
            self._complete()
            return self._closed(at + 1)
        return self._give_back(text, at, out)

    def _string(self, at: int) -> int:
        self._word = []
        self._value = JsonValue()
        self._state = Hermes._read
        return at

    def _read(self, text: str, at: int, end: int, out: list[Part]) -> int:
        stop = self._value.scan(text, at, end)
        unfit = _UNFIT.search(text, at, stop)
        if unfit is not None:
            return self._give_back(text, unfit.start(), out)
        self._word.append(text[at:stop])
        if not self._value.ended:
            return stop
        written = "".join(self._word)
        _, word, _ = unescape(written, 1, len(written))
        if self._key is None:
            self._key = word
            self._state = Hermes._colon
            return stop
        if not word.strip() or not word.isprintable():
            return self._give_back(text, stop, out)
        self._name = word
        self._state = Hermes._member
        return stop if self._aside is None else self._late_name(word, self._aside, text, stop, out)

    def _late_name(self, name: str, aside: list[str], text: str, at: int, out: list[Part]) -> int:
        written = "".join(aside) + " "  # a number or a word ends with what follows it
        arguments = Arguments()
        _, given = arguments.scan(written, 0, len(written))
        if not arguments.ended:
            return self._give_back(text, at, out)
        self._begin(name, out)
        self._argue(given, out)
        self._complete()
        return self._unclosed(at)

    def _colon(self, text: str, at: int, end: int, out: list[Part]) -> int:
        at = _stop(_SPACE, text, at, end)
        if at == end:
            return end
        if text[at] != ":":
            return self._give_back(text, at, out)
        self._state = Hermes._choose
        return at + 1

    def _choose(self, text: str, at: int, end: int, out: list[Part]) -> int:
        """A value begins: what to do with it depends on its key."""
        at = _stop(_SPACE, text, at, end)
        if at == end:
            return end
        if self._key == "name":
            return self._string(at) if text[at] == '"' else self._give_back(text, at, out)
        if text[at] not in '{["-0123456789tfn':
            return self._give_back(text, at, out)
        if self._key in _ARGUMENTS and self._name is not None:
            self._arguments = Arguments()
            self._state = Hermes._argument
            return at
        if self._key in _ARGUMENTS and self._aside is None:
            self._aside = []
        else:
            self._key = None
        self._value = JsonValue()
        self._state = Hermes._skip
        return at

    def _skip(self, text: str, at: int, end: int, out: list[Part]) -> int:
        stop = self._value.scan(text, at, end)
        if self._key is not None and self._aside is not None:
            self._aside.append(text[at:stop])
        if self._value.ended:
            self._state = Hermes._member
        elif stop < end:
            return self._give_back(text, stop, out)
        return stop

    # The arguments: from here on it is a call.

    def _argument(self, text: str, at: int, end: int, out: list[Part]) -> int:
        arguments = self._arguments
        stop, given = arguments.scan(text, at, end)
        if arguments.bad:
            return self._give_back(text, stop, out)
        if arguments.begun and self._raw is not None and self._name is not None:
            self._begin(self._name, out)
        self._argue(given, out)
        if arguments.ended:
            self._complete()
            return self._unclosed(stop)
        if stop == end or text[stop] != "<":
            self._carry = text[stop:]
            return stop
        return self._tag(text, stop, out)

    def _tag(self, text: str, at: int, out: list[Part]) -> int:
        """At a ``<`` in the middle of an object: the end tag ends the call, unfinished as it is."""
        tag = _CLOSER.stands(text, at)
        if tag == "":
            self._carry = text[at:]
        elif tag is not None:
            self._close()
            self._prose.after = True
            return at + len(tag)
        elif self._state is Hermes._argument:
            self._argue("<", out)
        return at + 1

    # Behind the arguments. What is held is layout, unless something follows that is not.

    def _unclosed(self, at: int) -> int:
        self._hold(at)
        self._state = Hermes._tail
        return at

    def _closed(self, at: int) -> int:
        self._hold(at)
        self._state = Hermes._between
        return at

    def _tail(self, text: str, at: int, end: int, out: list[Part]) -> int:
        """In the object, its call being complete."""
        at = _stop(_COMMAS, text, at, end)
        if at == end:
            return end
        if text[at] == "}":
            return self._closed(at + 1)
        if text[at] == '"':
            self._raw = None
            self._value = JsonValue(depth=1)
            self._state = Hermes._ignore
            return at
        return self._end(text, at, out)

    def _ignore(self, text: str, at: int, end: int, out: list[Part]) -> int:
        """Members that follow the arguments."""
        stop = self._value.scan(text, at, end)
        if self._value.ended:
            return self._closed(stop)
        return stop if stop == end else self._tag(text, stop, out)

    def _between(self, text: str, at: int, end: int, out: list[Part]) -> int:
        at = _stop(_REST, text, at, end)
        if at == end:
            return end
        return self._object(at) if text[at] == "{" else self._end(text, at, out)

    def _end(self, text: str, at: int, out: list[Part]) -> int:
        tag = _CLOSER.stands(text, at)
        if tag is None:
            return self._give_back(text, at, out)
        if tag == "":
            self._carry = text[at:]
            return at
        self._close()
        return at + len(tag)


def _stop(skipped: re.Pattern[str], text: str, at: int, end: int) -> int:
    found = skipped.match(text, at, end)
    return at if found is None else found.end()
